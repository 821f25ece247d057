-- The demo's database: a small shop, just large enough for believable statements.
CREATE ROLE web LOGIN;
CREATE ROLE billing LOGIN;
CREATE ROLE reporting LOGIN CONNECTION LIMIT 10;
CREATE ROLE replicator LOGIN REPLICATION;
CREATE ROLE cron LOGIN SUPERUSER NOREPLICATION;

CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, price_cents int NOT NULL);
CREATE TABLE orders (
  id int PRIMARY KEY,
  customer_id int NOT NULL REFERENCES customers,
  status text NOT NULL DEFAULT 'placed',
  total_cents int NOT NULL,
  placed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON orders (customer_id);
CREATE TABLE carts (customer_id int PRIMARY KEY REFERENCES customers, items int NOT NULL DEFAULT 0);
CREATE TABLE invoices (
  id int PRIMARY KEY,
  order_id int NOT NULL REFERENCES orders,
  status text NOT NULL,
  due_on date NOT NULL,
  total_cents int NOT NULL
);

INSERT INTO customers SELECT i, 'Customer ' || i FROM generate_series(1, 100) i;
INSERT INTO products SELECT i, 'Product ' || i, 100 + i * 7 FROM generate_series(1, 200) i;
INSERT INTO orders (id, customer_id, total_cents) SELECT i, 1 + i % 100, 500 + i * 13 % 9000 FROM generate_series(1, 500) i;
INSERT INTO carts SELECT i FROM generate_series(1, 100) i;
INSERT INTO invoices SELECT i, i, CASE WHEN i % 3 = 0 THEN 'open' ELSE 'paid' END, current_date + i % 30, 500 + i * 13 % 9000
  FROM generate_series(1, 500) i;

-- A search that takes a noticeable time without using the processor, so that some session is active now and then.
CREATE FUNCTION search_products(wanted text) RETURNS SETOF products LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_sleep(random() * 1.5);
  RETURN QUERY SELECT * FROM products WHERE name LIKE wanted || '%' ORDER BY price_cents LIMIT 10;
END $$;

GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO web, billing, reporting;
