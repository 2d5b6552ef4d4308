package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluiceio/sluice/pipes"
)

// Reason is why a pipe is not running at a moment.
type Reason struct {
	// Code is for programs.
	Code ReasonCode
	// Text is one sentence for people; "" if the pipe is running.
	Text string
	// Dataset is what the pipe waits for, System whose slots are taken; Pipe is
	// the one at the root of it, if that is another.
	Dataset, System, Pipe string
}

// ReasonCode says what kind of reason it is.
type ReasonCode string

// The reasons there are.
const (
	Running        ReasonCode = "running"
	Closing        ReasonCode = "closing"         // the node shuts down
	Disabled       ReasonCode = "disabled"        // somebody switched it off
	IsReceiver     ReasonCode = "receiver"        // it runs when something is posted
	IsPublisher    ReasonCode = "publisher"       // it runs when its document is asked for
	ModeOff        ReasonCode = "mode"            // manual, or off
	SchedulerOff   ReasonCode = "scheduler-off"   // the metadata says so
	WaitsForSlot   ReasonCode = "slot"            // too many run already
	WaitsForData   ReasonCode = "dataset"         // one it needs is not ready
	WaitsForOther  ReasonCode = "blocked"         // something else keeps it from running
	BreakerTripped ReasonCode = "circuit-breaker" // commit it or roll it back
	Failed         ReasonCode = "failed"          // and will be tried again
	Due            ReasonCode = "due"             // at its next time
	NotScheduled   ReasonCode = "not-scheduled"   // and never will be
	NotServed      ReasonCode = "node-not-there"  // no node runs
)

// view is a picture of a pump, of a node that runs or of one that does not.
type view struct {
	pipe         *pipes.Pipe
	running      bool
	started      time.Time
	disabled     bool
	off          switchedOff
	wait         *pipes.WaitError
	slot         *slotWait
	due          time.Time
	last         pipes.Stats
	lastErr      error
	failed       time.Time
	idle         bool // no scheduler is at work
	offline      bool // … because there is no node
	schedulerOff bool
	closing      bool
}

// slotWait is a pump's place in the queue for a slot.
type slotWait struct {
	system string
	limit  int
	before int
	full   bool     // all slots of the system are taken, else those of all systems
	by     []string // the pipes that have them
}

// teller puts reasons into sentences. It follows what a pipe waits for to the
// pipe that is to make it.
type teller struct {
	look    func(p *pipes.Pipe) view
	writers map[string]*pipes.Pipe
}

// deepest is how many pipes that wait for one another are told of.
const deepest = 8

// tell returns why a pipe is not running.
func (n teller) tell(v view) Reason {
	r := n.reason(v, deepest)
	if r.Code == Running {
		r.Text = ""
		return r
	}
	text := "it " + r.Text
	if v.offline {
		text = "no node is running; " + text
	}
	if v.offline && r.Code == Due {
		r.Code = NotServed
	}
	r.Text = text
	return r
}

// reason says it as a verb: "waits …", "is disabled …".
func (n teller) reason(v view, depth int) Reason {
	_, receiver := v.pipe.Receiver()
	mode := v.pipe.Def.Pump.Mode
	switch {
	case v.running:
		return Reason{Code: Running, Text: "has been running since " + clock(v.started)}
	case v.closing:
		return Reason{Code: Closing, Text: "does not start because the node is shutting down"}
	case v.slot != nil:
		return Reason{Code: WaitsForSlot, System: v.slot.system, Text: v.slot.text()}
	case v.disabled:
		return Reason{Code: Disabled, Text: v.off.text()}
	case receiver:
		return Reason{Code: IsReceiver, Text: "runs when something is posted to it"}
	case !v.pipe.Pumped():
		return Reason{Code: IsPublisher, Text: "runs when its document is asked for"}
	case mode == "manual":
		return Reason{Code: ModeOff, Text: `has the mode "manual": it runs when it is started by hand` + v.failure(", and ")}
	case mode != "scheduled":
		return Reason{Code: ModeOff, Text: fmt.Sprintf("has the mode %q: it does not run", mode)}
	case v.schedulerOff:
		return Reason{Code: SchedulerOff, Text: "runs only when it is started by hand: task_manager in the node's metadata switches the scheduler off"}
	case v.wait != nil:
		return n.waiting(v, depth)
	default:
		return v.next()
	}
}

// waiting tells what the pipe waits for and, if another pipe is to make that,
// why it has not.
func (n teller) waiting(v view, depth int) Reason {
	r := Reason{Code: WaitsForOther, Dataset: v.wait.Dataset, Text: v.wait.Reason}
	if v.wait.Tripped {
		r.Code = BreakerTripped
		return r
	}
	if r.Dataset == "" || strings.HasPrefix(r.Dataset, "system:") {
		return r // what the node itself writes waits for no pipe
	}
	r.Code = WaitsForData
	writer := n.writers[r.Dataset]
	switch {
	case writer == nil:
		r.Text += "; no pipe writes it"
	case writer != v.pipe && depth > 0:
		cause := n.reason(n.look(writer), depth-1)
		r.Text += fmt.Sprintf("; pipe %q, which writes it, %s", writer.ID(), cause.Text)
		if r.Pipe = cause.Pipe; r.Pipe == "" {
			r.Pipe = writer.ID()
		}
	}
	return r
}

// next tells when the pipe runs by its schedule, and whether it failed.
func (v view) next() Reason {
	when := "is due at " + clock(v.due)
	switch {
	case v.due.IsZero() && v.idle:
		when = "is due after the next start"
	case v.due.IsZero():
		when = "is not scheduled"
	}
	if fail := v.failure(""); fail != "" {
		return Reason{Code: Failed, Text: fail + ", and " + when}
	}
	if v.due.IsZero() && !v.idle {
		return Reason{Code: NotScheduled, Text: when}
	}
	return Reason{Code: Due, Text: when}
}

func (v view) failure(before string) string {
	if v.lastErr == nil {
		return ""
	}
	at := ""
	if !v.failed.IsZero() {
		at = " at " + clock(v.failed)
	}
	return before + "failed" + at + ": " + v.lastErr.Error()
}

func (o switchedOff) text() string {
	text := "is disabled"
	if o.By != "" {
		text += " by " + o.By
	}
	if !o.At.IsZero() {
		text += " since " + clock(o.At)
	}
	if o.Comment != "" {
		text += fmt.Sprintf(": %q", o.Comment)
	}
	return text
}

func (w *slotWait) text() string {
	var what string
	switch {
	case w.system == "":
		what = fmt.Sprintf("all %d slots of pipes between datasets are taken", w.limit)
	case w.full && w.limit == 1:
		what = fmt.Sprintf("the one worker thread of system %q is taken", w.system)
	case w.full:
		what = fmt.Sprintf("all %d worker_threads of system %q are taken", w.limit, w.system)
	default:
		what = fmt.Sprintf("%d pipes use systems, and no more may at once", systemRuns)
	}
	if len(w.by) > 3 {
		what += fmt.Sprintf(" by %s and %d more", strings.Join(w.by[:3], ", "), len(w.by)-3)
	} else if len(w.by) > 0 {
		what += " by " + strings.Join(w.by, ", ")
	}
	return fmt.Sprintf("waits for a slot: %s; %d before it", what, w.before)
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
