package pipeforce_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/dialects/pipeforce"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/systems"
	"github.com/sluiceio/sluice/transforms"
)

// P-15: batches of messages; what fails is delivered again, what is dropped is not.
func TestMessages(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil, "", map[string]string{
		"batch":   "pipeline:\n - message.receive: {key: 'job.*', maxBatchItems: 10}\n - log: 'got ${body.size()} from ${body[0].n}'\n",
		"publish": "pipeline:\n - event.listen: webhook.jobs\n - iam.run.as: systemuser\n" + strings.Repeat(" - message.send: {key: job.new, payload: {n: 1}}\n", 25),
		"fails":   "pipeline:\n - message.receive: {key: fail.now}\n - log: try\n - error: no\n",
		"nack":    "pipeline:\n - message.receive: {key: nack.now, autoack: false}\n - log: given back\n - message.nack\n - log: never\n",
		"drop":    "pipeline:\n - message.receive: {key: drop.now, autoack: false}\n - log: dropped\n - message.drop\n - log: never\n",
		"ack":     "pipeline:\n - message.receive: {key: ack.now, autoack: false, exchange: pipeforce.hub.default.topic}\n - message.ack\n - error: behind it\n",
		"implied": "pipeline:\n - message.receive: {key: implied.now, autoack: false}\n - log: done\n",
		"other":   "pipeline:\n - message.receive: {key: '#', exchange: other}\n - log: '${body.x} of another topic'\n",
	})
	// Messages are published in one go, so that the consumer does not see half.
	s.call(s.hook("eventKey=webhook.jobs"), "", "")
	runs := func(pipeline, text string) int {
		return len(regexp.MustCompile(`"pipeline":"`+pipeline+`"[^\n]*?"log":\[[^\]]*?`+text).FindAllString(s.dataset("system:pipeforce-log"), -1))
	}
	s.until("all 25 are there", func() bool { return sum(s.dataset("system:pipeforce-log")) == 25 })
	log := s.dataset("system:pipeforce-log")
	if n := strings.Count(log, `"text":"got 10 from 1"`); n != 2 || strings.Count(log, `"text":"got 5 from 1"`) != 1 {
		t.Errorf("25 messages come as %v", regexp.MustCompile(`got \d+`).FindAllString(log, -1))
	}
	for _, key := range []string{"fail", "nack", "drop", "ack", "implied"} {
		if r := s.command("message.send", "key="+key+".now", "payload=x"); r.status != 200 {
			t.Fatal(r.status, r.body)
		}
	}
	s.do("POST", "/api/v3/command/message.send?key=any.key&exchange=other", asJSON, `{"x": 1}`)
	s.until("failures come again", func() bool { return runs("fails", "try") >= 2 && runs("nack", "given back") >= 2 })
	s.until("the others came", func() bool {
		return runs("drop", "dropped") > 0 && runs("implied", "done") > 0 && strings.Contains(s.dataset("system:pipeforce-log"), `"pipeline":"ack"`)
	})
	if n := runs("drop", "dropped"); n != 1 {
		t.Error("what was dropped came", n, "times")
	}
	if n := runs("implied", "done"); n != 1 {
		t.Error("what was acknowledged by its end came", n, "times")
	}
	if n := strings.Count(s.dataset("system:pipeforce-log"), `"pipeline":"ack"`); n != 1 {
		t.Error("what failed behind its acknowledgement came", n, "times")
	}
	s.until("another topic", func() bool { return runs("other", "1 of another topic") == 1 })
	if log := s.dataset("system:pipeforce-log"); strings.Contains(log, "never") {
		t.Error("a pipeline goes on behind nack or drop:", log)
	}
}

// sum is how many messages came in batches.
func sum(log string) (n int) {
	for _, m := range regexp.MustCompile(`"text":"got (\d+) from 1"`).FindAllStringSubmatch(log, -1) {
		var i int
		fmt.Sscan(m[1], &i)
		n += i
	}
	return n
}

// gate is the other side of pipelines: it answers nobody before it is opened, and then
// not before eight others ask at once.
type gate struct {
	open chan struct{}
	came atomic.Int64
	full sync.WaitGroup
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-g.open:
		if g.came.Add(1) <= 8 {
			g.full.Done()
		}
		g.full.Wait()
	default:
		<-g.open
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"payload": %q}`, r.URL.Path[1:])
}

// With the header concurrency several events are worked on at once; one that fails
// has none of the others worked on again.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	g := &gate{open: make(chan struct{})}
	g.full.Add(8)
	other := httptest.NewServer(g)
	t.Cleanup(other.Close)
	s := newStage(t, nil, "", map[string]string{"p": "headers: {concurrency: 8}\npipeline:\n - event.listen: webhook.x\n - iam.run.as: systemuser\n - log: 'n${body.payload}.'\n" +
		" - http.get: " + other.URL + "/${body.payload}\n - error: {message: no, if: \"${body.payload == '3'}\"}\n - set: 'made ${body.payload}'\n"})
	token := s.hook("eventKey=webhook.x", "payloadType=raw")
	const events = 24 // of which eight may be at work before all are there
	var last reply
	for n := range events {
		last = s.call(token, "text/plain", fmt.Sprint(n))
	}
	close(g.open)
	if got := s.resultOf(last); got.json["value"] != fmt.Sprintf("made %d", events-1) {
		t.Error(got.status, got.body)
	}
	s.until("a dead letter", func() bool {
		return strings.Contains(s.dataset("p-dead-letters"), "PipelineException") || strings.Contains(s.dataset("p-dead-letters"), "error: no")
	})
	log := s.dataset("system:pipeforce-log")
	for n := range events {
		if got := strings.Count(log, fmt.Sprintf(`"text":"n%d."`, n)); got != 1 {
			t.Errorf("event %d was worked on %d times", n, got)
		}
	}
}

// An event that fails is a dead letter, and can be posted again.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil, "", map[string]string{"p": "pipeline:\n - event.listen: webhook.x\n - error: broken\n"})
	s.call(s.hook("eventKey=webhook.x"), "text/plain", "keep me")
	s.until("a dead letter", func() bool {
		got := s.dataset("p-dead-letters")
		return strings.Contains(got, "broken") && strings.Contains(got, "webhook.x") && strings.Contains(got, "a2VlcCBtZQ==")
	})
	s.file("pipelines/p.pi.yaml", "pipeline:\n - event.listen: webhook.x\n - log: mended\n")
	s.until("the file was taken up", func() bool { return strings.Contains(s.log.String(), "reloaded") })
	// A pipe that is running refuses.
	s.until("it is reposted", func() bool {
		return s.do("POST", "/api/pipes/p/pump", "application/x-www-form-urlencoded", "operation=repost").status == 200
	})
	s.do("POST", "/api/pipes/p/pump", "application/x-www-form-urlencoded", "operation=start")
	s.until("it was tried again", func() bool { return strings.Contains(s.dataset("system:pipeforce-log"), "mended") })
}

// Results, webhooks and what was called stand when the node comes back.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil, `"publish_bare_keys": true`, map[string]string{"p": "pipeline:\n - message.receive: webhook.x\n - set: ${body.payload}\n"})
	token := s.hook("eventKey=webhook.x", "payloadType=raw")
	r := s.call(token, "text/plain", "before")
	if got := s.resultOf(r); got.json["value"] != "before" {
		t.Error(got.status, got.body)
	}
	s.stop()
	s.serve()
	if got := s.resultOf(r); got.json["value"] != "before" {
		t.Error(got.status, got.body)
	}
	if got := s.command("webhook.get", "uuid="+token); got.json["callCount"] != 1.0 || got.json["payloadType"] != "raw" {
		t.Error(got.body)
	}
	if got := s.resultOf(s.call(token, "text/plain", "after")); got.json["value"] != "after" {
		t.Error(got.status, got.body)
	}
}

// No file makes it panic.
func FuzzPipeline(f *testing.F) {
	for _, name := range []string{"pipelines.txtar", "validate.txtar"} {
		a, err := txtar.ParseFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			if strings.HasSuffix(file.Name, ".yaml") {
				f.Add(file.Data)
			}
		}
	}
	d := pipeforce.Dialect()
	set := transforms.NewSet(d.Transforms...)
	f.Fuzz(func(t *testing.T, data []byte) {
		pipes, finds := d.Front.Compile("n", []string{"n/p.pi.yaml"}, func(string) ([]byte, error) { return data, nil })
		if len(pipes) == 0 && !finds.HasErrors() {
			t.Fatal("neither a pipe nor an error")
		}
		for _, p := range pipes {
			_, more := set.Build(transforms.Env{PipeID: "p", Node: p.Get("transform"), System: func(string) systems.System { return nil }})
			for _, f := range more {
				if f.Span == (jsonpos.Span{}) || f.Span.File == "" || f.Message == "" {
					t.Errorf("%+v", f)
				}
			}
		}
	})
}
