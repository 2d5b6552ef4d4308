package jsrun

import (
	"errors"
	"fmt"
)

// Line is one line that a script wrote to its console.
type Line struct {
	Level string `json:"level"` // log, info, warn, error or debug
	Text  string `json:"text"`
}

// Thrown is what a script threw, or that it cannot be run at all.
type Thrown struct {
	Name    string `json:"name"`    // of the error's class, Error for one without
	Message string `json:"message"` // in the script's own words: it may hold anything
	// Where tells the place, as file:line:column, "" if nobody knows.
	Where string `json:"where,omitempty"`
}

// Error tells place, class and message.
func (t *Thrown) Error() string {
	if t.Where == "" {
		return t.Name + ": " + t.Message
	}
	return fmt.Sprintf("%s: %s: %s", t.Where, t.Name, t.Message)
}

// What a call may exceed.
const (
	Time   = "time"
	Memory = "memory"
	Input  = "input"
	Output = "output"
)

// ExceededError is a call that went beyond a bound.
type ExceededError struct{ What, Bound string }

// Error names the bound.
func (e *ExceededError) Error() string {
	switch e.What {
	case Time:
		return "the script did not end within " + e.Bound
	case Memory:
		return "the script asked for more memory than " + e.Bound
	case Input:
		return "what the script is given is larger than " + e.Bound
	default:
		return "what the script returns is larger than " + e.Bound
	}
}

// ErrBusy is a pool with so many calls waiting that another one has no hope.
var ErrBusy = errors.New("all workers for scripts are busy")

// ErrClosed is a pool that was closed.
var ErrClosed = errors.New("the workers for scripts were stopped")

// goneError is a worker that had ended before the call reached it.
type goneError struct{ why error }

// Error tells how it seems to have ended.
func (e *goneError) Error() string { return e.why.Error() }

// errLost is a worker that ended for no reason of the script's.
var errLost = errors.New("the worker for scripts ended by itself")

func bytesText(n int) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
