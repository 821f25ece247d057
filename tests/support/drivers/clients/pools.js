// Drivers of node: pg (pg-pool), postgres, knex, sequelize, typeorm. What is said and heard: see speech.py.
// Add a driver: a function that makes a pool, a line in POOLS. Packages are looked for in the folder of `modules`.
"use strict";

const { createRequire } = require("node:module");
const readline = require("node:readline");

// What a library logs goes to where errors go.
console.log = console.info = console.warn = console.error;

const about = JSON.parse(process.argv[2]);
const load = createRequire(about.modules + "/");
const AN_INVOICE = "SELECT pg_backend_pid() AS pid, id, total FROM invoices WHERE id = 7";
const AN_ORDER = "SELECT pg_backend_pid() AS pid, id, status FROM orders WHERE id = 7";
const A_FAILURE = "SELECT 1 / (id - id) FROM orders WHERE id = 7";
const A_LONG_RESULT = "SELECT pg_backend_pid() AS pid, repeat('x', 8000) AS body FROM generate_series(1, 100000)";
const TAKE_MS = 500;

const where = {
  host: about.host,
  port: about.port,
  user: about.user,
  database: about.database,
};
const named = about.app ? { application_name: about.app } : {};

class Refused extends Error {}

// Where the driver says only by its text that there was no connection.
const REFUSALS = /too many clients|remaining connection slots|timeout|timed out|acquir|CONNECT_TIMEOUT|connection pool/i;

function pgPool({ least, most }) {
  const { Pool, Client } = load("pg");
  const pool = new Pool({
    ...where,
    ...named,
    max: most,
    min: least,
    idleTimeoutMillis: about.idle_s === undefined ? 0 : about.idle_s * 1000,
    connectionTimeoutMillis: TAKE_MS,
  });
  pool.on("error", () => {});
  return {
    take: () => pool.connect(),
    give: (client) => client.release(),
    run: async (client, sql) => (await client.query(sql)).rows[0].pid,
    begin: (client) => client.query("BEGIN"),
    failed: async () => {},
    ping: async () => {
      const clients = [];
      for (let free = pool.idleCount; free > 0; free--) clients.push(await pool.connect());
      for (const client of clients) await client.query("SELECT 1");
      for (const client of clients) client.release();
    },
    unread: async (client) => {
      // The socket is not read any more once the first row is there.
      client.on("error", () => {});
      const { rows } = await client.query("SELECT pg_backend_pid() AS pid");
      client.query(A_LONG_RESULT);
      setTimeout(() => client.connection.stream.pause(), 5);
      return rows[0].pid;
    },
    bare: async () => {
      const client = new Client({ ...where, ...named, connectionTimeoutMillis: TAKE_MS });
      client.on("error", () => {});
      await client.connect();
      return { kept: client, pid: (await client.query(AN_INVOICE)).rows[0].pid };
    },
  };
}

function postgresJs({ most }) {
  const sql = load("postgres")({
    ...where,
    max: most,
    connect_timeout: 1,
    idle_timeout: about.idle_s,
    ...(about.app ? { connection: { application_name: about.app } } : {}),
    onnotice: () => {},
  });
  const take = () =>
    new Promise((resolve, reject) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        reject(new Refused("none is free"));
      }, TAKE_MS);
      sql.reserve().then(
        (one) => {
          clearTimeout(timer);
          // What comes after nobody waits any more is given back.
          late ? one.release() : resolve(one);
        },
        (error) => {
          clearTimeout(timer);
          reject(error);
        },
      );
    });
  const pidOf = async (one, text) => (await one.unsafe(text))[0].pid;
  return {
    take,
    give: async (one) => one.release(),
    run: pidOf,
    begin: (one) => one.unsafe("BEGIN"),
    failed: async () => {},
    ping: async () => {},
    unread: async (one) => {
      // A cursor of which the first row is taken.
      const rows = one.unsafe(A_LONG_RESULT).cursor(1)[Symbol.asyncIterator]();
      kept.push(rows);
      return (await rows.next()).value[0].pid;
    },
    bare: async () => {
      const single = load("postgres")({ ...where, max: 1, connect_timeout: 1, onnotice: () => {} });
      return { kept: single, pid: (await single.unsafe(AN_INVOICE))[0].pid };
    },
  };
}

function knexPool({ least, most }) {
  const knex = load("knex")({
    client: "pg",
    connection: { ...where, ...named },
    pool: { min: least, max: most },
    acquireConnectionTimeout: TAKE_MS,
  });
  return {
    take: () => knex.client.acquireConnection(),
    give: (connection) => knex.client.releaseConnection(connection),
    run: async (connection, sql) => (await knex.raw(sql).connection(connection)).rows[0].pid,
    begin: (connection) => knex.raw("BEGIN").connection(connection),
    failed: async () => {},
    ping: async () => {
      const taken = [];
      for (let free = knex.client.pool.numFree(); free > 0; free--) taken.push(await knex.client.acquireConnection());
      for (const connection of taken) await knex.raw("SELECT 1").connection(connection);
      for (const connection of taken) await knex.client.releaseConnection(connection);
    },
    transaction: async () => {
      const transaction = await knex.transaction();
      return { kept: transaction, pid: (await transaction.raw(AN_INVOICE)).rows[0].pid };
    },
    bare: async () => {
      const single = load("knex")({ client: "pg", connection: { ...where, ...named }, pool: { min: 0, max: 1 } });
      return { kept: single, pid: (await single.raw(AN_INVOICE)).rows[0].pid };
    },
  };
}

function sequelizePool({ least, most }) {
  const { Sequelize } = load("sequelize");
  const sequelize = new Sequelize({
    dialect: "postgres",
    dialectModule: load("pg"),
    ...where,
    username: where.user,
    logging: false,
    dialectOptions: named,
    retry: { max: 1 },
    pool: { min: least, max: most, acquire: TAKE_MS, idle: (about.idle_s ?? 600) * 1000 },
  });
  const manager = sequelize.connectionManager;
  const run = async (connection, sql) => (await connection.query(sql)).rows[0].pid;
  return {
    take: () => manager.getConnection({ type: "write" }),
    give: async (connection) => manager.releaseConnection(connection),
    run,
    begin: (connection) => connection.query("BEGIN"),
    failed: async () => {},
    ping: async () => {},
    transaction: async () => {
      const transaction = await sequelize.transaction();
      const [rows] = await sequelize.query(AN_INVOICE, { transaction });
      return { kept: transaction, pid: rows[0].pid };
    },
    bare: async () => {
      const connection = await manager.getConnection({ type: "write" });
      return { kept: connection, pid: await run(connection, AN_INVOICE) };
    },
  };
}

function typeormPool({ least, most }) {
  const { DataSource } = load("typeorm");
  const source = new DataSource({
    type: "postgres",
    host: where.host,
    port: where.port,
    username: where.user,
    database: where.database,
    applicationName: about.app,
    logging: false,
    poolSize: most,
    extra: { min: least, idleTimeoutMillis: 0, connectionTimeoutMillis: TAKE_MS },
    poolErrorHandler: () => {},
  });
  const ready = source.initialize();
  const take = async () => {
    await ready;
    const runner = source.createQueryRunner();
    await runner.connect();
    return runner;
  };
  return {
    take,
    give: (runner) => runner.release(),
    run: async (runner, sql) => (await runner.query(sql))[0].pid,
    begin: (runner) => runner.startTransaction(),
    failed: async () => {},
    ping: async () => {},
    bare: async () => {
      const runner = await take();
      return { kept: runner, pid: (await runner.query(AN_INVOICE))[0].pid };
    },
  };
}

const POOLS = { pg: pgPool, postgres: postgresJs, knex: knexPool, sequelize: sequelizePool, typeorm: typeormPool };
const make = (changes = {}) => POOLS[about.driver]({ least: about.least ?? 0, most: about.most, ...changes });

let first = null;
const kept = [];
const workers = new Map();
let block = [];

const pool = () => (first ??= make());

async function workOf(one, count, sql = AN_ORDER) {
  const taken = [];
  const pids = [];
  try {
    for (let number = 0; number < count; number++) {
      taken.push(await one.take());
      pids.push(await one.run(taken[number], sql));
    }
    return pids;
  } catch (error) {
    // postgres keeps the reserve() that it has rejected in its queue: the next connection that is given back is handed
    // to nobody, and never used again.
    if (about.driver === "postgres") error.swallowed = pids;
    throw error;
  } finally {
    for (const connection of taken) await one.give(connection);
  }
}

async function taken() {
  const connection = await pool().take();
  kept.push(connection);
  return connection;
}

const COMMANDS = {
  work: async (count) => ({ pids: await workOf(pool(), count) }),
  worker: async (number) => {
    if (!workers.has(number)) workers.set(number, make({ least: 0, most: 1 }));
    return { pids: await workOf(workers.get(number), 1) };
  },
  ping: async () => {
    await pool().ping();
    return {};
  },
  leak: async () => ({ leaked: [await pool().run(await taken(), AN_INVOICE)] }),
  error: async () => {
    const connection = await taken();
    const pid = await pool().run(connection, AN_INVOICE);
    try {
      await pool().run(connection, A_FAILURE);
    } catch (error) {
      if (!/division by zero/.test(error.message)) throw error;
    }
    return { leaked: [pid] };
  },
  transaction: async () => {
    if (pool().transaction) {
      const opened = await pool().transaction();
      kept.push(opened.kept);
      return { leaked: [opened.pid] };
    }
    const connection = await taken();
    await pool().begin(connection);
    return { leaked: [await pool().run(connection, AN_INVOICE)] };
  },
  unread: async () => {
    const connection = await taken();
    return { leaked: [await pool().unread(connection)] };
  },
  engine: async () => {
    const one = make({ least: 0, most: 1 });
    kept.push(one);
    return { leaked: await workOf(one, 1, AN_INVOICE) };
  },
  with: async () => {
    const opened = await make({ least: 0, most: 1 }).bare();
    kept.push(opened.kept);
    return { leaked: [opened.pid] };
  },
  reload: async (count) => {
    const before = block;
    first = make();
    kept.push(first);
    block = await workOf(first, count);
    return { pids: block, leaked: before };
  },
};

const say = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");

async function main() {
  say({ ready: true });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [command, number] = line.trim().split(" ");
    if (command === "quit") break;
    try {
      say(await COMMANDS[command](Number(number ?? 1)));
    } catch (error) {
      if (!(error instanceof Refused) && !REFUSALS.test(`${error.message} ${error.code}`)) throw error;
      say({ refused: error.message, leaked: error.swallowed ?? [] });
    }
  }
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
