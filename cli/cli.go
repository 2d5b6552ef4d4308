// Package cli is the command line: each command a method that reads its
// flags, calls the library and prints. docs and design call the exit status a
// contract: 0 clean, 1 findings or failures, 2 wrong usage, 3 internal failure.
package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/alecthomas/kong"
	"github.com/sluiceio/sluice/internal/jsrun"
)

// The exit status of every command.
const (
	exitOK       = 0
	exitFindings = 1
	exitUsage    = 2
	exitInternal = 3
)

// stdio is where a command reads and writes: results go to out, everything
// else to err.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// jsWorker is the command by which the node starts itself to run scripts. Nobody
// types it, and it must begin fast.
const jsWorker = "js-worker"

// commands is the whole command line.
type commands struct {
	Validate validateCmd `cmd:"" help:"Say everything that can be known before running."`
	Run      runCmd      `cmd:"" help:"Run all pumps until nothing is left to do."`
	Serve    serveCmd    `cmd:"" help:"Run the node: pumps on schedule, receivers, API."`
	Pipes    pipesCmd    `cmd:"" help:"List the pipes, and what each is doing."`
	Why      whyCmd      `cmd:"" help:"Say why a pipe is not running."`
	DTL      dtlCmd      `cmd:"" name:"dtl" help:"DTL at the prompt."`
	Jinja    jinjaCmd    `cmd:"" help:"A template at the prompt."`
	Explain  explainCmd  `cmd:"" help:"Say what a DTL function or a rule is."`
	Datasets datasetsCmd `cmd:"" help:"Look into the store."`
	Breaker  breakerCmd  `cmd:"" help:"Commit or roll back what a circuit breaker holds back."`
	Failed   failedCmd   `cmd:"" help:"Tell of a pipe's failed entities, try them again or give them up."`
	New      newCmd      `cmd:"" help:"Scaffold a node or a pipe."`
	Token    tokenCmd    `cmd:"" help:"Make a token for the API of webhooks."`
	Pi       piCmd       `cmd:"" help:"Commands of PIPEFORCE."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// failure is an error that knows its exit status. An empty message has been
// printed already.
type failure struct {
	status int
	err    error
}

func (f *failure) Error() string {
	if f.err == nil {
		return ""
	}
	return f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// usage is a failure of the caller: a wrong flag, a missing file.
func usage(format string, args ...any) error {
	return &failure{exitUsage, fmt.Errorf(format, args...)}
}

// failed is a run that ended with findings or errors of its own.
func failed(err error) error { return &failure{exitFindings, err} }

// Run executes the command in args (without the program's name) and returns
// its exit status. It ends early when ctx does.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (status int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(stderr, "sluice: internal failure: %v\n%s\nplease report this\n", r, debug.Stack())
			status = exitInternal
		}
	}()
	if len(args) == 1 && args[0] == jsWorker {
		return exitFor(stderr, jsrun.Work(stdin, stdout))
	}
	var c commands
	helped := false
	parser, err := kong.New(&c, kong.Name("sluice"),
		kong.Description("Runs declarative integration pipes: source, transforms, sink."),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { helped = true }), kong.UsageOnError())
	if err != nil {
		return exitFor(stderr, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	kctx, err := parser.Parse(flagsFirst(parser.Model.Node, args))
	if helped {
		return exitOK
	}
	if err != nil {
		return exitFor(stderr, &failure{exitUsage, err})
	}
	kctx.BindTo(ctx, (*context.Context)(nil))
	out := &results{w: stdout}
	err = kctx.Run(&stdio{stdin, out, stderr})
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = failed(errors.New("stopped before its end; it may be started again"))
	}
	return exitFor(stderr, cmp.Or(err, out.lost()))
}

// results remembers that something could not be written, which commands that print a
// line do not look at.
type results struct {
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (r *results) Write(p []byte) (int, error) {
	n, err := r.w.Write(p)
	r.err = cmp.Or(r.err, err)
	return n, err
}

func (r *results) lost() error {
	if r.err == nil {
		return nil
	}
	return fmt.Errorf("what is printed is not whole: %w", r.err)
}

// exitFor prints an error and returns its exit status.
func exitFor(stderr io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{exitInternal, err}
	}
	if f.err != nil {
		fmt.Fprintln(stderr, "sluice:", err)
	}
	return f.status
}

// text returns an argument given as itself, as @FILE, or as "-" for standard
// input. Files may begin with a byte order mark.
func (s *stdio) text(arg string) ([]byte, error) {
	text, err := s.raw(arg)
	return bytes.TrimPrefix(text, []byte("\uFEFF")), err
}

func (s *stdio) raw(arg string) ([]byte, error) {
	switch {
	case arg == "-":
		return io.ReadAll(s.in)
	case len(arg) > 1 && arg[0] == '@':
		b, err := os.ReadFile(arg[1:])
		if err != nil {
			return nil, usage("cannot read %s: %v", arg[1:], err)
		}
		return b, nil
	default:
		return []byte(arg), nil
	}
}

type versionCmd struct{}

// Run prints module version and toolchain.
func (versionCmd) Run(s *stdio) error {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	fmt.Fprintln(s.out, "sluice", version)
	return nil
}
