// Pools of Go: database/sql over lib/pq, and pgxpool. What is said and heard: see speech.py.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
	_ "github.com/lib/pq"
)

const (
	anInvoice   = "SELECT pg_backend_pid() AS pid, id, total FROM invoices WHERE id = 7"
	anOrder     = "SELECT pg_backend_pid() AS pid, id, status FROM orders WHERE id = 7"
	aFailure    = "SELECT 1 / (id - id) FROM orders WHERE id = 7"
	aLongResult = "SELECT pg_backend_pid() AS pid, repeat('x', 8000) AS body FROM generate_series(1, 100000)"
	take        = 500 * time.Millisecond
)

var about map[string]interface{}

func text(name string) string {
	if value, ok := about[name].(string); ok {
		return value
	}
	return ""
}

func number(name string, otherwise int) int {
	if value, ok := about[name].(float64); ok {
		return int(value)
	}
	return otherwise
}

func dsn() string {
	return fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable application_name='%s'",
		text("host"), number("port", 5432), text("user"), text("database"), text("app"))
}

// conn is a connection out of a pool; until gave() it is nobody else's.
type conn interface {
	run(sql string) (int, error)
	begin() error
	unread() (int, error)
	give()
	ping() error
}

type pool interface {
	take() (conn, error)
	idle() int
}

type sqlPool struct{ db *sql.DB }
type sqlConn struct {
	one  *sql.Conn
	kept interface{}
}

func (p sqlPool) idle() int { return p.db.Stats().Idle }

func (p sqlPool) take() (conn, error) {
	soon, cancel := context.WithTimeout(context.Background(), take)
	defer cancel()
	one, err := p.db.Conn(soon)
	return &sqlConn{one: one}, err
}

func (c *sqlConn) run(text string) (int, error) {
	var pid int
	rows, err := c.one.QueryContext(context.Background(), text)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		values := make([]interface{}, 3)
		var rest [2]interface{}
		values[0], values[1], values[2] = &pid, &rest[0], &rest[1]
		if err := rows.Scan(values...); err != nil {
			return 0, err
		}
	}
	return pid, rows.Err()
}

func (c *sqlConn) begin() error {
	var err error
	c.kept, err = c.one.BeginTx(context.Background(), nil)
	return err
}

func (c *sqlConn) unread() (int, error) {
	rows, err := c.one.QueryContext(context.Background(), aLongResult)
	if err != nil {
		return 0, err
	}
	c.kept = rows
	var pid int
	var body string
	rows.Next()
	return pid, rows.Scan(&pid, &body)
}

func (c *sqlConn) give()       { c.one.Close() }
func (c *sqlConn) ping() error { return c.one.PingContext(context.Background()) }

type pgxPool struct{ pool *pgxpool.Pool }
type pgxConn struct {
	one  *pgxpool.Conn
	kept interface{}
}

func (p pgxPool) idle() int { return int(p.pool.Stat().IdleConns()) }

func (p pgxPool) take() (conn, error) {
	soon, cancel := context.WithTimeout(context.Background(), take)
	defer cancel()
	one, err := p.pool.Acquire(soon)
	return &pgxConn{one: one}, err
}

func (c *pgxConn) run(text string) (int, error) {
	rows, err := c.one.Query(context.Background(), text)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	pid := 0
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return 0, err
		}
		if found, ok := values[0].(int32); ok {
			pid = int(found)
		}
	}
	return pid, rows.Err()
}

func (c *pgxConn) begin() error {
	var err error
	c.kept, err = c.one.Begin(context.Background())
	return err
}

func (c *pgxConn) unread() (int, error) {
	rows, err := c.one.Query(context.Background(), aLongResult)
	if err != nil {
		return 0, err
	}
	c.kept = rows
	var pid int
	var body string
	rows.Next()
	return pid, rows.Scan(&pid, &body)
}

func (c *pgxConn) give()       { c.one.Release() }
func (c *pgxConn) ping() error { return c.one.Conn().Ping(context.Background()) }

func open(least, most int) (pool, error) {
	if text("driver") == "pq" {
		db, err := sql.Open("postgres", dsn())
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(most)
		db.SetMaxIdleConns(most)
		return sqlPool{db}, nil
	}
	config, err := pgxpool.ParseConfig(fmt.Sprintf("%s pool_max_conns=%d pool_min_conns=%d", dsn(), most, least))
	if err != nil {
		return nil, err
	}
	opened, err := pgxpool.ConnectConfig(context.Background(), config)
	return pgxPool{opened}, err
}

var (
	first   pool
	kept    []interface{}
	workers = map[int]pool{}
	block   []int
)

func main() {
	if err := json.Unmarshal([]byte(os.Args[1]), &about); err != nil {
		panic(err)
	}
	fmt.Println(`{"ready": true}`)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if words[0] == "quit" {
			return
		}
		count := 1
		if len(words) > 1 {
			count, _ = strconv.Atoi(words[1])
		}
		answer, err := obey(words[0], count)
		if err != nil {
			if !refused(err) {
				panic(err)
			}
			answer = map[string]interface{}{"refused": err.Error()}
		}
		line, _ := json.Marshal(answer)
		fmt.Println(string(line))
	}
}

func refused(err error) bool {
	said := err.Error()
	return errors.Is(err, context.DeadlineExceeded) || strings.Contains(said, "connection slots") ||
		strings.Contains(said, "too many clients") || strings.Contains(said, "failed to connect")
}

type answer = map[string]interface{}

func theFirst() (pool, error) {
	if first == nil {
		opened, err := open(number("least", 0), number("most", 10))
		if err != nil {
			return nil, err
		}
		first = opened
	}
	return first, nil
}

func taken() (conn, error) {
	from, err := theFirst()
	if err != nil {
		return nil, err
	}
	one, err := from.take()
	if err == nil {
		kept = append(kept, one)
	}
	return one, err
}

func work(from pool, count int, text string) ([]int, error) {
	pids, connections := []int{}, []conn{}
	defer func() {
		for _, one := range connections {
			one.give()
		}
	}()
	for index := 0; index < count; index++ {
		one, err := from.take()
		if err != nil {
			return nil, err
		}
		connections = append(connections, one)
		pid, err := one.run(text)
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

func pinged(from pool) error {
	connections := []conn{}
	defer func() {
		for _, one := range connections {
			one.give()
		}
	}()
	for free := from.idle(); free > 0; free-- {
		one, err := from.take()
		if err != nil {
			return err
		}
		connections = append(connections, one)
		if err := one.ping(); err != nil {
			return err
		}
	}
	return nil
}

func lost(mistake func(conn) (int, error)) (answer, error) {
	one, err := taken()
	if err != nil {
		return nil, err
	}
	pid, err := mistake(one)
	return answer{"leaked": []int{pid}}, err
}

func failed(one conn) (int, error) {
	pid, err := one.run(anInvoice)
	if err != nil {
		return 0, err
	}
	if _, err := one.run(aFailure); err != nil && !strings.Contains(err.Error(), "division by zero") {
		return 0, err
	}
	return pid, nil
}

func obey(command string, count int) (answer, error) {
	switch command {
	case "work":
		from, err := theFirst()
		if err != nil {
			return nil, err
		}
		pids, err := work(from, count, anOrder)
		return answer{"pids": pids}, err
	case "worker":
		if workers[count] == nil {
			one, err := open(0, 1)
			if err != nil {
				return nil, err
			}
			workers[count] = one
		}
		pids, err := work(workers[count], 1, anOrder)
		return answer{"pids": pids}, err
	case "ping":
		from, err := theFirst()
		if err != nil {
			return nil, err
		}
		return answer{}, pinged(from)
	case "leak":
		return lost(func(one conn) (int, error) { return one.run(anInvoice) })
	case "error":
		return lost(failed)
	case "transaction":
		return lost(func(one conn) (int, error) {
			if err := one.begin(); err != nil {
				return 0, err
			}
			return one.run(anInvoice)
		})
	case "unread":
		return lost(func(one conn) (int, error) { return one.unread() })
	case "engine":
		one, err := open(0, 1)
		if err != nil {
			return nil, err
		}
		kept = append(kept, one)
		pids, err := work(one, 1, anInvoice)
		return answer{"leaked": pids}, err
	case "with":
		return bare()
	case "reload":
		before := block
		one, err := open(0, number("most", 10))
		if err != nil {
			return nil, err
		}
		kept, first = append(kept, one), one
		block, err = work(one, count, anOrder)
		if before == nil {
			before = []int{}
		}
		return answer{"pids": block, "leaked": before}, err
	}
	panic(command)
}

func bare() (answer, error) {
	if text("driver") == "pq" {
		one, err := open(0, 1)
		if err != nil {
			return nil, err
		}
		connection, err := one.take()
		if err != nil {
			return nil, err
		}
		kept = append(kept, connection)
		pid, err := connection.run(anInvoice)
		return answer{"leaked": []int{pid}}, err
	}
	connection, err := pgx.Connect(context.Background(), dsn())
	if err != nil {
		return nil, err
	}
	kept = append(kept, connection)
	var pid, id, total int
	err = connection.QueryRow(context.Background(), anInvoice).Scan(&pid, &id, &total)
	return answer{"leaked": []int{pid}}, err
}
