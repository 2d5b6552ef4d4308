// Package messages_test drives the example as its users would: the real binary,
// real HTTP, a broker, and kill -9.
package messages_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluiceio/sluice/examples/nodetest"
	"github.com/sluiceio/sluice/systems/amqptest"
)

func TestMain(m *testing.M) { os.Exit(nodetest.Main(m)) }

// stage is a node folder with a broker.
type stage struct {
	*nodetest.Node
	t      *testing.T
	broker *amqptest.Broker
}

func setUp(t *testing.T) *stage {
	t.Helper()
	s := &stage{Node: nodetest.New(t, "pipes", "systems"), t: t, broker: amqptest.New(t, nil)}
	s.File("test-secrets.json", `{"global": {"rabbit_password": "guest"}}`)
	s.File("test-env.json", fmt.Sprintf(`{"rabbit_url": "amqp://%s"}`, s.broker.Address()))
	return s
}

// order posts an order until it is answered.
func (s *stage) order(n int) {
	total := fmt.Sprintf(`"%d.50"`, n)
	if n%50 == 7 {
		total = `"much"` // which no invoice can be made of
	}
	body := fmt.Sprintf(`{"_id": "o%d", "country": "%s", "state": "%s", "total": %s}`, n, []string{"no", "se"}[n%2], []string{"paid", "open", "paid"}[n%3], total)
	for range 12000 {
		resp, err := http.Post("http://"+s.Listen+"/api/receivers/orders-in/entities", "application/json", strings.NewReader(body))
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		<-time.After(10 * time.Millisecond)
	}
	s.t.Errorf("order %d was never answered", n)
}

// warehouse ships what was paid, however often it hears of it, and returns how
// many orders it has heard of.
func (s *stage) warehouse(ctx context.Context) func() int {
	s.t.Helper()
	c, err := amqp.Dial("amqp://guest:guest@" + s.broker.Address() + "/")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	ch, err := c.Channel()
	if err == nil {
		_, err = ch.QueueDeclare("to-ship", true, false, false, false, nil)
	}
	if err == nil {
		err = ch.QueueBind("to-ship", "order.*.paid", "amq.topic", false, nil)
	}
	var got <-chan amqp.Delivery
	if err == nil {
		got, err = ch.Consume("to-ship", "", true, false, false, false, nil)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	go func() {
		for d := range got {
			mu.Lock()
			seen[d.MessageId] = true
			mu.Unlock()
			err := ch.PublishWithContext(ctx, "amq.topic", "shipment.sent", false, false, amqp.Publishing{MessageId: "s-" + d.MessageId, ContentType: "application/json", Body: fmt.Appendf(nil, `{"order": %q}`, d.MessageId)})
			if err != nil {
				return
			}
		}
	}()
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(seen)
	}
}

func (s *stage) cat(dataset string) string {
	s.t.Helper()
	b, err := exec.CommandContext(s.t.Context(), s.Bin, "datasets", s.Dir, "cat", dataset).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v: %s", err, b)
	}
	return string(b)
}

// The node is killed at random moments. Whatever was answered to the shop is in
// the history once, what was paid has an invoice or is a dead letter, and the
// warehouse has heard of it and shipped it.
func TestKill(t *testing.T) {
	const orders, kills = 240, 5
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	s := setUp(t)
	heard := s.warehouse(t.Context())
	s.Start()
	until(t, "the queue", func() bool { return s.broker.Ready("shipments") >= 0 })
	var posting sync.WaitGroup
	posting.Go(func() {
		for n := range orders {
			s.order(n)
		}
	})
	for range kills {
		<-time.After(time.Duration(50+random.IntN(250)) * time.Millisecond)
		s.Kill()
		s.Start()
	}
	posting.Wait()
	const paid = orders * 2 / 3
	until(t, "what was paid", func() bool { return heard() == paid })
	until(t, "what was shipped", func() bool { return s.history() == orders+paid })
	until(t, "what was shipped is acknowledged", func() bool { return s.broker.Ready("shipments") == 0 })
	s.Kill()
	want := map[string]int{"history": orders + paid, "invoices": paid - unpayable(orders), "orders-without-invoice": unpayable(orders)}
	for dataset, n := range want {
		if got := strings.Count("\n"+s.cat(dataset), "\n{"); got != n {
			t.Errorf("%s holds %d entities, want %d", dataset, got, n)
		}
	}
	if t.Failed() {
		t.Log(s.Said())
	}
}

// unpayable counts the orders that were paid and no invoice can be made of.
func unpayable(orders int) (n int) {
	for i := range orders {
		if i%50 == 7 && i%3 != 1 {
			n++
		}
	}
	return n
}

// history is how many messages the running node has kept.
func (s *stage) history() int {
	resp, err := http.Get("http://" + s.Listen + "/api/datasets/history/entities?history=false")
	if err != nil {
		return -1
	}
	defer resp.Body.Close()
	lines, n := bufio.NewScanner(resp.Body), 0
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		n += strings.Count(lines.Text(), `"key":`)
	}
	return n
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("it did not come to pass: %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// The page shows the files of the example.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/messages.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	for i, name := range []string{"pipes/orders-in", "pipes/invoices", "systems/rabbit", "pipes/shipments-from-rabbit", "pipes/paid-to-rabbit"} {
		file, err := os.ReadFile(name + ".conf.json")
		if err != nil || i >= len(blocks) || blocks[i][1] != string(file) {
			t.Errorf("the page shows another %s: %v", name, err)
		}
	}
}
