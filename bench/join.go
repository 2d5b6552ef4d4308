package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/bytedance/sonic"
	_ "modernc.org/sqlite"

	"github.com/sluiceio/sluice/config"
	node "github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/entity"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
)

// T5: every one of the orders gets the name and city of its customer, found by
// a number that is not the customer's id, and is written where it can be read
// again. Read, join and write are timed; loading and indexing are not.
const orders, customers = 100_000, 10_000

func orderLine(i int) []byte {
	return fmt.Appendf(nil, `{"_id":"order-%d","customer":"c%d","status":"open","total":%d.25,"lines":[{"sku":"AB-%d","qty":%d},{"sku":"CD-%d","qty":1}]}`,
		i, (i*7919)%customers, i%5000, i%900, i%7+1, i%300)
}

func customerLine(i int) []byte {
	return fmt.Appendf(nil, `{"_id":"customer-%d","number":"c%d","name":"Name %d","city":"City %d","segment":"gold"}`, i, i, i, i%50)
}

const joinPipe = `{"_id": "joined", "type": "pipe", "batch_size": 5000, "source": {"type": "dataset", "dataset": "orders"},
 "transform": {"type": "dtl", "rules": {"default": [["copy", "*"],
  ["merge", ["first", ["hops", {"datasets": ["customers c"], "where": [["eq", "_S.customer", "c.number"]],
    "return": ["dict", "name", "c.name", "city", "c.city"], "track-dependencies": false}]]]]}}}`

// joins are the ways to do it; each loads its data, then returns what is timed.
var joins = []struct {
	name string
	load func(dir string) (run func() (int, error), done func() error, err error)
}{
	{"SQLite, indexed join", sqliteJoin},
	{"hand-written Go, hash join in memory, sonic", hashJoin},
	{"sluice, a pipe with hops", sluiceJoin},
}

// compareJoins prints the time of each way as a multiple of the hash join's.
func compareJoins(rounds int) error {
	took := make([][]float64, len(joins))
	for range rounds {
		for i, j := range joins {
			t, err := timeJoin(j.load)
			if err != nil {
				return fmt.Errorf("%s: %w", j.name, err)
			}
			took[i] = append(took[i], t.Seconds())
		}
	}
	for i := range took {
		slices.Sort(took[i])
	}
	fmt.Printf("\nT5, %d orders joined to %d customers, time as a multiple of the hash join's (median)\n", orders, customers)
	for i, j := range joins {
		fmt.Printf("%-45s %.2f (%.0f ms)\n", j.name, quantile(took[i], 0.5)/quantile(took[1], 0.5), 1000*quantile(took[i], 0.5))
	}
	return nil
}

func timeJoin(load func(string) (func() (int, error), func() error, error)) (time.Duration, error) {
	dir, err := os.MkdirTemp("", "join")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	run, done, err := load(dir)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	n, err := run()
	took := time.Since(start)
	if err == nil && n != orders {
		err = fmt.Errorf("%d rows came out", n)
	}
	if doneErr := done(); err == nil {
		err = doneErr
	}
	return took, err
}

func sqliteJoin(dir string) (func() (int, error), func() error, error) {
	db, err := sql.Open("sqlite", filepath.Join(dir, "join.db")+"?_pragma=journal_mode(wal)&_pragma=synchronous(normal)")
	if err != nil {
		return nil, nil, err
	}
	tx, err := db.Begin()
	if err != nil {
		return nil, nil, err
	}
	exec := func(q string, args ...any) {
		if err == nil {
			_, err = tx.Exec(q, args...)
		}
	}
	exec(`CREATE TABLE orders (id TEXT PRIMARY KEY, customer TEXT, body TEXT)`)
	exec(`CREATE TABLE customers (id TEXT PRIMARY KEY, number TEXT, name TEXT, city TEXT)`)
	exec(`CREATE TABLE joined (id TEXT PRIMARY KEY, body TEXT)`)
	for i := range orders {
		exec(`INSERT INTO orders VALUES (?, ?, ?)`, fmt.Sprintf("order-%d", i), fmt.Sprintf("c%d", (i*7919)%customers), string(orderLine(i)))
	}
	for i := range customers {
		exec(`INSERT INTO customers VALUES (?, ?, ?, ?)`, fmt.Sprintf("customer-%d", i), fmt.Sprintf("c%d", i), fmt.Sprintf("Name %d", i), fmt.Sprintf("City %d", i%50))
	}
	exec(`CREATE INDEX by_number ON customers (number, name, city)`)
	if err == nil {
		err = tx.Commit()
	}
	run := func() (int, error) {
		r, err := db.Exec(`INSERT INTO joined SELECT o.id, json_set(o.body, '$.name', c.name, '$.city', c.city)
			FROM orders o JOIN customers c ON c.number = o.customer`)
		if err != nil {
			return 0, err
		}
		n, err := r.RowsAffected()
		return int(n), err
	}
	return run, db.Close, err
}

func hashJoin(dir string) (func() (int, error), func() error, error) {
	var in [][]byte
	for i := range orders {
		in = append(in, orderLine(i))
	}
	var people [][]byte
	for i := range customers {
		people = append(people, customerLine(i))
	}
	run := func() (int, error) {
		byNumber := map[string]object{}
		for _, line := range people {
			var c object
			if err := sonic.Unmarshal(line, &c); err != nil {
				return 0, err
			}
			number, _ := c["number"].(string)
			byNumber[number] = c
		}
		var out bytes.Buffer
		for _, line := range in {
			var o object
			if err := sonic.Unmarshal(line, &o); err != nil {
				return 0, err
			}
			number, _ := o["customer"].(string)
			if c := byNumber[number]; c != nil {
				o["name"], o["city"] = c["name"], c["city"]
			}
			b, err := sonic.Marshal(o)
			if err != nil {
				return 0, err
			}
			out.Write(b)
			out.WriteByte('\n')
		}
		return len(in), os.WriteFile(filepath.Join(dir, "joined"), out.Bytes(), 0o600)
	}
	return run, func() error { return nil }, nil
}

func sluiceJoin(dir string) (func() (int, error), func() error, error) {
	st, err := local.Open(dir, local.Options{})
	if err != nil {
		return nil, nil, err
	}
	ctx := context.Background()
	load := func(dataset string, n int, line func(int) []byte) {
		if err == nil {
			_, err = st.Create(ctx, dataset)
		}
		for i := 0; i < n && err == nil; i += 1000 {
			err = write(ctx, st, dataset, i, min(n, i+1000), line)
		}
	}
	load("orders", orders, orderLine)
	load("customers", customers, customerLine)
	if err != nil {
		return nil, nil, err
	}
	sets, err := node.Standard()
	if err != nil {
		return nil, nil, err
	}
	c, finds := config.Parse("joined.json", []byte(joinPipe), config.Options{})
	if finds.HasErrors() {
		return nil, nil, fmt.Errorf("%v", finds)
	}
	e, err := node.Open(ctx, node.Options{Config: c, Store: st, Sets: sets})
	if err != nil {
		return nil, nil, err
	}
	run := func() (int, error) {
		p, _ := e.Pipe("joined")
		stats, err := p.Run(ctx, false)
		return stats.Changed, err
	}
	done := func() error {
		e.Close()
		return st.Close()
	}
	return run, done, nil
}

func write(ctx context.Context, st store.Store, dataset string, from, to int, line func(int) []byte) error {
	var ops []store.Op
	for i := from; i < to; i++ {
		v, err := entity.Decode(nil, line(i), entity.DecodeOptions{})
		if err != nil {
			return err
		}
		ops = append(ops, store.Op{Kind: store.Put, Entity: v})
	}
	p, err := st.Append(ctx, &store.Batch{Writes: []store.Write{{Dataset: dataset, Ops: ops}}, Populate: []string{dataset}})
	if err != nil {
		return err
	}
	_, err = p.Wait(ctx)
	return err
}
