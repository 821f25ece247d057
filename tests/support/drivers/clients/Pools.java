// Pools of Java over pgjdbc: HikariCP, DBCP2, c3p0. What is said and heard: see speech.py. Options are read as flat JSON.
// Add a pool: a case in make().

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.sql.DataSource;

public class Pools {
    static final String AN_INVOICE = "SELECT pg_backend_pid() AS pid, id, total FROM invoices WHERE id = 7";
    static final String AN_ORDER = "SELECT pg_backend_pid() AS pid, id, status FROM orders WHERE id = 7";
    static final String A_FAILURE = "SELECT 1 / (id - id) FROM orders WHERE id = 7";
    static final String A_LONG_RESULT =
        "SELECT pg_backend_pid() AS pid, repeat('x', 8000) AS body FROM generate_series(1, 100000)";
    static final int TAKE_MS = 500;

    static final Map<String, String> about = new HashMap<>();
    static final List<Object> kept = new ArrayList<>();
    static final Map<Integer, DataSource> workers = new HashMap<>();
    static DataSource first;
    static List<Integer> block = new ArrayList<>();

    public static void main(String[] arguments) throws Exception {
        Matcher pairs = Pattern.compile("\"(\\w+)\": (?:\"([^\"]*)\"|([^,}]+))").matcher(arguments[0]);
        while (pairs.find()) {
            about.put(pairs.group(1), pairs.group(2) == null ? pairs.group(3) : pairs.group(2));
        }
        Class.forName("org.postgresql.Driver");
        PrintStream out = System.out;
        // What a pool logs goes to where errors go.
        System.setOut(System.err);
        out.println("{\"ready\": true}");
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null && !line.startsWith("quit"); line = lines.readLine()) {
            String[] words = line.trim().split(" ");
            out.println(answer(words[0], words.length > 1 ? Integer.parseInt(words[1]) : 1));
        }
        Runtime.getRuntime().halt(0);
    }

    static String answer(String command, int number) throws Exception {
        try {
            return obey(command, number);
        } catch (SQLException error) {
            if (!refused(error)) {
                throw error;
            }
            return "{\"refused\": \"no connection\"}";
        } catch (RuntimeException error) {
            // HikariCP's constructor that opens the first connection.
            if (!error.getClass().getSimpleName().equals("PoolInitializationException")) {
                throw error;
            }
            return "{\"refused\": \"no connection\"}";
        }
    }

    static boolean refused(Throwable error) {
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            String state = cause instanceof SQLException ? ((SQLException) cause).getSQLState() : null;
            if (state != null && (state.startsWith("53") || state.startsWith("08"))) {
                return true;
            }
            String said = String.valueOf(cause.getMessage());
            if (said.matches("(?s).*(timed out|Timeout waiting|timeout|Cannot get a connection|could not be acquired).*")) {
                return true;
            }
        }
        return false;
    }

    static String obey(String command, int number) throws SQLException {
        switch (command) {
            case "work":
                return "{\"pids\": " + work(pool(), number, AN_ORDER) + "}";
            case "worker":
                if (!workers.containsKey(number)) {
                    workers.put(number, make(1, 1));
                }
                return "{\"pids\": " + work(workers.get(number), 1, AN_ORDER) + "}";
            case "ping":
                return "{}";
            case "leak":
                return leaked(run(taken(), AN_INVOICE));
            case "error":
                return error();
            case "transaction": {
                Connection connection = taken();
                connection.setAutoCommit(false);
                return leaked(run(connection, AN_INVOICE));
            }
            case "unread":
                return unread();
            case "engine": {
                DataSource one = make(1, 1);
                kept.add(one);
                return "{\"leaked\": " + workOrClose(one, 1, AN_INVOICE) + "}";
            }
            case "with": {
                Connection connection = DriverManager.getConnection(url(), about.get("user"), "");
                kept.add(connection);
                connection.setAutoCommit(false);
                int pid = run(connection, AN_INVOICE);
                connection.commit();
                return leaked(pid);
            }
            case "reload": {
                List<Integer> before = block;
                DataSource next = make(number, number);
                kept.add(next);
                block = workOrClose(next, number, AN_ORDER);
                first = next;
                return "{\"pids\": " + block + ", \"leaked\": " + before + "}";
            }
            default:
                throw new IllegalArgumentException(command);
        }
    }

    static String error() throws SQLException {
        Connection connection = taken();
        int pid = run(connection, AN_INVOICE);
        try {
            run(connection, A_FAILURE);
        } catch (SQLException | RuntimeException error) {
            // c3p0 wraps it.
            Throwable cause = error instanceof RuntimeException ? error.getCause() : error;
            if (!(cause instanceof SQLException) || !"22012".equals(((SQLException) cause).getSQLState())) {
                throw error;
            }
        }
        return leaked(pid);
    }

    static String unread() throws SQLException {
        Connection connection = taken();
        connection.setAutoCommit(false);
        Statement statement = connection.createStatement();
        statement.setFetchSize(10);
        ResultSet rows = statement.executeQuery(A_LONG_RESULT);
        kept.add(rows);
        rows.next();
        return leaked(rows.getInt(1));
    }

    static String leaked(int pid) {
        return "{\"leaked\": [" + pid + "]}";
    }

    static DataSource pool() throws SQLException {
        if (first == null) {
            first = make(number("least", 0), number("most", 10));
        }
        return first;
    }

    static Connection taken() throws SQLException {
        Connection connection = pool().getConnection();
        kept.add(connection);
        return connection;
    }

    static List<Integer> work(DataSource from, int count, String sql) throws SQLException {
        List<Connection> connections = new ArrayList<>();
        List<Integer> pids = new ArrayList<>();
        try {
            for (int index = 0; index < count; index++) {
                Connection connection = from.getConnection();
                connections.add(connection);
                pids.add(run(connection, sql));
            }
            return pids;
        } finally {
            for (Connection connection : connections) {
                connection.close();
            }
        }
    }

    /** A pool that was refused would go on trying behind our back. */
    static List<Integer> workOrClose(DataSource from, int count, String sql) throws SQLException {
        try {
            return work(from, count, sql);
        } catch (SQLException error) {
            if (from instanceof com.mchange.v2.c3p0.ComboPooledDataSource) {
                ((com.mchange.v2.c3p0.ComboPooledDataSource) from).close();
            } else if (from instanceof com.zaxxer.hikari.HikariDataSource) {
                ((com.zaxxer.hikari.HikariDataSource) from).close();
            } else {
                ((org.apache.commons.dbcp2.BasicDataSource) from).close();
            }
            throw error;
        }
    }

    static int run(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getInt(1);
        }
    }

    static int number(String name, int otherwise) {
        return about.containsKey(name) ? (int) Double.parseDouble(about.get(name)) : otherwise;
    }

    static String url() {
        String app = about.getOrDefault("app", "");
        String named = app.isEmpty() ? "" : "&ApplicationName=" + app.replace(" ", "%20");
        return "jdbc:postgresql://" + about.get("host") + ":" + about.get("port") + "/" + about.get("database")
            + "?sslmode=disable&loginTimeout=20" + named;
    }

    static DataSource make(int least, int most) throws SQLException {
        boolean checked = "true".equals(about.get("pre_ping"));
        switch (about.get("driver")) {
            case "hikari": {
                com.zaxxer.hikari.HikariConfig config = new com.zaxxer.hikari.HikariConfig();
                config.setJdbcUrl(url());
                config.setUsername(about.get("user"));
                config.setMinimumIdle(least);
                config.setMaximumPoolSize(Math.max(1, most));
                config.setConnectionTimeout(TAKE_MS);
                config.setIdleTimeout(600000);
                return new com.zaxxer.hikari.HikariDataSource(config);
            }
            case "dbcp2": {
                org.apache.commons.dbcp2.BasicDataSource source = new org.apache.commons.dbcp2.BasicDataSource();
                source.setUrl(url());
                source.setUsername(about.get("user"));
                source.setInitialSize(least);
                source.setMinIdle(least);
                source.setMaxIdle(most);
                source.setMaxTotal(most);
                source.setMaxWaitMillis(TAKE_MS);
                if (checked) {
                    source.setValidationQuery("SELECT 1");
                    source.setTestWhileIdle(true);
                    source.setTestOnBorrow(false);
                    source.setNumTestsPerEvictionRun(most);
                    source.setTimeBetweenEvictionRunsMillis(2000);
                    source.setMinEvictableIdleTimeMillis(600000);
                }
                return source;
            }
            case "c3p0": {
                com.mchange.v2.c3p0.ComboPooledDataSource source = new com.mchange.v2.c3p0.ComboPooledDataSource();
                source.setJdbcUrl(url());
                source.setUser(about.get("user"));
                source.setInitialPoolSize(Math.max(1, least));
                source.setMinPoolSize(Math.max(1, least));
                source.setMaxPoolSize(most);
                source.setAcquireIncrement(1);
                source.setAcquireRetryAttempts(1);
                source.setCheckoutTimeout(2 * TAKE_MS);
                source.setNumHelperThreads(2);
                if (checked) {
                    source.setPreferredTestQuery("SELECT 1");
                    source.setIdleConnectionTestPeriod(2);
                }
                return source;
            }
            default:
                throw new IllegalArgumentException(about.get("driver"));
        }
    }
}
