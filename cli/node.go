package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/sluiceio/sluice/config"
	"github.com/sluiceio/sluice/engine"
	"github.com/sluiceio/sluice/internal/diag"
	"github.com/sluiceio/sluice/internal/jsonpos"
	"github.com/sluiceio/sluice/internal/report"
	"github.com/sluiceio/sluice/internal/schemacheck"
	"github.com/sluiceio/sluice/sources"
	"github.com/sluiceio/sluice/store"
	"github.com/sluiceio/sluice/store/local"
	"github.com/sluiceio/sluice/systems"
)

// standardSets are all component types and functions there are.
func standardSets() (engine.Sets, error) {
	sets, errSets := engine.Standard()
	kinds, errKinds := schemacheck.New()
	for _, d := range knownDialects() {
		sets = sets.With(d.Sources, d.Transforms, d.Sinks, d.Systems)
	}
	sets.Kinds = kinds
	return sets, errors.Join(errSets, errKinds)
}

// loadOptions are how every command reads configurations.
func loadOptions(profile string) config.Options {
	o := config.Options{Profile: profile, Environ: os.Environ()}
	for _, d := range knownDialects() {
		if d.Front != nil {
			o.Fronts = append(o.Fronts, d.Front)
		}
	}
	return o
}

// load reads a configuration; findings are not printed.
func load(paths []string, profile string, more ...*jsonpos.Node) (*config.Config, diag.List) {
	o := loadOptions(profile)
	o.More = more
	return config.Load(paths, o)
}

// check says everything that can be known of a configuration.
func check(ctx context.Context, paths []string, profile string) (*config.Config, diag.List, error) {
	sets, err := standardSets()
	if err != nil {
		return nil, nil, err
	}
	c, finds := load(paths, profile)
	finds.Add(finds.Causes(engine.Check(ctx, c, sets))...)
	finds.Sort()
	return c, finds, nil
}

// printFindings writes findings as text, with paths relative to the working
// directory.
func printFindings(s *stdio, finds diag.List, files int) {
	dir, _ := os.Getwd()
	// Writing to a closed terminal is nobody's error.
	_ = report.Text(s.err, finds, report.Options{Files: files, Dir: dir, Line: report.FileLines()})
}

// nodeFlags are what run and serve have in common.
type nodeFlags struct {
	Dir           string `arg:"" optional:"" default:"." help:"Node folder."`
	Data          string `help:"Folder of the datasets; by default .data in the node folder."`
	Profile       string `help:"Which <profile>-env.json and <profile>-secrets.json to read." default:"test"`
	AllowInternal bool   `help:"Let systems reach addresses of this machine and of private networks."`
	warns         bool   // it is told that there are warnings
	reached       string // the address by which other nodes reach this one, if it is served
}

// node is an open node with the store it owns.
type node struct {
	*engine.Engine
	store *local.Store
	o     engine.Options
}

func (n *node) close() {
	n.Engine.Close()
	n.store.Close()
}

// read loads and checks the configuration with the components that stand in no
// file, and prints what is wrong with it.
func (f *nodeFlags) read(ctx context.Context, s *stdio, sets engine.Sets, probes *sources.Probes, more ...*jsonpos.Node) (*config.Config, error) {
	c, finds := load([]string{f.Dir}, f.Profile, more...)
	if !finds.HasErrors() {
		finds.Add(engine.CheckOnce(ctx, c, sets, probes)...)
	}
	finds.Sort()
	if finds.HasErrors() {
		printFindings(s, finds, c.Files)
		return nil, failed(nil)
	}
	if _, warnings := finds.Count(); warnings > 0 && f.warns && len(more) == 0 {
		fmt.Fprintf(s.err, "warnings in the configuration: %d; sluice validate %s tells them\n", warnings, f.Dir)
	}
	return c, nil
}

// open reads the configuration, opens the store and readies the node.
func (f *nodeFlags) open(ctx context.Context, s *stdio) (*node, error) {
	sets, err := standardSets()
	if err != nil {
		return nil, err
	}
	probes := new(sources.Probes)
	f.warns = true
	c, err := f.read(ctx, s, sets, probes)
	if err != nil {
		return nil, err
	}
	st, err := openStore(f.dataDir(), false)
	if err != nil {
		return nil, err
	}
	if c, err = f.withStored(ctx, s, sets, probes, c, st); err != nil {
		st.Close()
		return nil, err
	}
	o := engine.Options{
		Config: c, Store: st, Sets: sets, Probes: probes, Log: slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Transport: systems.NewTransport(systems.GuardOptions{AllowInternal: f.AllowInternal}), URL: f.reached,
	}
	e, err := engine.Open(ctx, o)
	if err != nil {
		st.Close()
		return nil, failed(err)
	}
	return &node{e, st, o}, nil
}

// withStored returns the configuration with the components that stand in the
// store, c itself if there are none.
func (f *nodeFlags) withStored(ctx context.Context, s *stdio, sets engine.Sets, probes *sources.Probes, c *config.Config, st store.Store) (*config.Config, error) {
	more, finds := storedComponents(ctx, st)
	if finds.HasErrors() {
		printFindings(s, finds, c.Files)
		return nil, failed(nil)
	}
	if len(more) == 0 {
		return c, nil
	}
	c, err := f.read(ctx, s, sets, probes, more...)
	if err == nil {
		besideSecrets(context.WithoutCancel(ctx), st, c.Secrets)
	}
	return c, err
}

// dataDir is where the datasets are: with the configuration, unless it was said.
func (f *nodeFlags) dataDir() string {
	if f.Data != "" {
		return f.Data
	}
	dir := f.Dir
	if info, err := os.Stat(dir); err == nil && !info.IsDir() { // a single file
		dir = filepath.Dir(dir)
	}
	return filepath.Join(dir, ".data")
}

func openStore(dir string, readOnly bool) (*local.Store, error) {
	st, err := local.Open(dir, local.Options{ReadOnly: readOnly})
	if errors.Is(err, store.ErrLocked) {
		return nil, usage("%w: another sluice is using it; stop that one, or choose another folder with --data", err)
	}
	if err != nil {
		return nil, cannotOpen(err)
	}
	return st, nil
}

type validateCmd struct {
	Paths   []string `arg:"" optional:"" help:"Node folders or files."`
	Format  string   `enum:"text,json" default:"text" help:"text or json."`
	FailOn  string   `name:"fail-on" enum:"error,warning" default:"error" help:"What makes the exit status 1."`
	Profile string   `help:"Which <profile>-env.json to read." default:"test"`
}

// Run prints all findings; the status is 1 if any counts.
func (c *validateCmd) Run(ctx context.Context, s *stdio) error {
	if len(c.Paths) == 0 {
		c.Paths = []string{"."}
	}
	cfg, finds, err := check(ctx, c.Paths, c.Profile)
	if err != nil {
		return err
	}
	dir, _ := os.Getwd()
	o := report.Options{Files: cfg.Files, Dir: dir, Line: report.FileLines()}
	write := report.Text
	if c.Format == "json" {
		write = report.JSON
	}
	if err := write(s.out, finds, o); err != nil {
		return err
	}
	if finds.HasErrors() || c.FailOn == "warning" && len(finds) > 0 {
		return failed(nil)
	}
	return nil
}

type runCmd struct {
	nodeFlags
	Pipe []string `help:"Run only these pipes, also manual ones." placeholder:"ID"`
}

// Run runs all pumps until nothing is left to do, and prints a line a pipe.
func (c *runCmd) Run(ctx context.Context, s *stdio) error {
	n, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer n.close()
	for _, id := range c.Pipe {
		if _, ok := n.Pipe(id); !ok {
			return noPipe(id, n.Pipes())
		}
	}
	shown := newProgress(s.err)
	results, err := n.RunAll(ctx, c.Pipe, shown.pipe)
	shown.end()
	bad := 0
	for _, r := range results {
		fmt.Fprintln(s.out, resultLine(r))
		if r.Err != nil {
			bad++
		}
	}
	if err != nil {
		return failed(err)
	}
	if bad > 0 {
		return failed(fmt.Errorf("%d of %d pipes did not come to their end", bad, len(results)))
	}
	return nil
}

func resultLine(r engine.PipeResult) string {
	switch {
	case errors.Is(r.Err, context.Canceled):
		return fmt.Sprintf("%-40s stopped before its end", r.Pipe)
	case r.Err != nil:
		return fmt.Sprintf("%-40s %v", r.Pipe, r.Err)
	}
	line := fmt.Sprintf("%-40s %s, %d read, %d changed", r.Pipe, r.Stats.Kind, r.Stats.Read, r.Stats.Changed)
	if r.Stats.Deleted > 0 {
		line += fmt.Sprintf(", %d deleted", r.Stats.Deleted)
	}
	return line
}
