package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sluiceio/sluice/engine"
)

// progress tells on a terminal how far a run is, in one line that it rewrites.
// Anywhere else it says nothing.
type progress struct {
	w     io.Writer // nil if it is no terminal
	start time.Time
	done  int
	read  int
}

func newProgress(w io.Writer) *progress {
	p := &progress{start: time.Now()}
	if f, ok := w.(*os.File); ok && os.Getenv("TERM") != "dumb" {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.w = w
		}
	}
	return p
}

// eraseLine returns to the beginning of a terminal's line and empties it.
const eraseLine = "\r\x1b[K"

// pipe counts a pipe that has run, of so many.
func (p *progress) pipe(r engine.PipeResult, of int) {
	p.done++
	p.read += r.Stats.Read
	if p.w == nil {
		return
	}
	passed := time.Since(p.start)
	left := passed / time.Duration(p.done) * time.Duration(max(of-p.done, 0))
	fmt.Fprintf(p.w, eraseLine+"%d of %d pipes, %.0f entities/s, %s left",
		p.done, of, float64(p.read)/max(passed.Seconds(), 0.001), left.Round(time.Second))
}

// end takes the line away.
func (p *progress) end() {
	if p.w != nil {
		fmt.Fprint(p.w, eraseLine)
	}
}
