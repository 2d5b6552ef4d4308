// Command rivals measures systems that deliver webhooks beside one another: Sluice,
// Outpost, Convoy and Svix, each with the database, cache and broker it needs, as
// real processes on one machine, with one publisher and one receiver.
//
// The publisher posts the same events of 1.1 KB to the API of each: as fast as its
// connections allow, and at a rate that all of them can keep, so that the time from
// there to the receiver is not that of a queue. The receiver verifies every
// signature and notes when an event came first, and how often. Rounds of the
// systems take turns; what is told are medians with quartiles.
//
// Only Sluice is built here. The others are measured if their binaries are given.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sluiceio/sluice/bench/measure"
)

type options struct {
	sluice, outpost, convoy, svix           string
	postgres, redis, rabbitmq, epmd         string
	redisFlush, dir                         string
	rounds, events, connections, concurrent int
	rate, paced                             int
	settle, patience, idle                  time.Duration
}

func parse() (o options) {
	flag.StringVar(&o.sluice, "sluice", "", "the binary of Sluice; by default it is built from here")
	flag.StringVar(&o.outpost, "outpost", "", "the command outpost, with outpost-server beside it")
	flag.StringVar(&o.convoy, "convoy", "", "the command convoy")
	flag.StringVar(&o.svix, "svix", "", "the command svix-server (this has never been run)")
	flag.StringVar(&o.postgres, "postgres", "", "the folder of initdb and postgres; by default the path and Debian's place are looked at")
	flag.StringVar(&o.redis, "redis", "redis-server", "the command redis-server")
	flag.StringVar(&o.rabbitmq, "rabbitmq", "/usr/lib/rabbitmq/bin/rabbitmq-server", "the command rabbitmq-server, not a wrapper that changes the user")
	flag.StringVar(&o.epmd, "epmd", "epmd", "Erlang's command epmd")
	flag.StringVar(&o.redisFlush, "redis-flush", "always", "appendfsync of Redis where an acknowledged event is kept by Redis alone (convoy, svix): always, everysec or no")
	flag.StringVar(&o.dir, "dir", "", "where the data folders are made; by default where temporary files are")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of each, after one that warms up")
	flag.IntVar(&o.events, "events", 1500, "events of a round as fast as it goes")
	flag.IntVar(&o.connections, "connections", 16, "connections of the publisher")
	flag.IntVar(&o.concurrent, "concurrent", 16, "deliveries at once, for systems that let one choose")
	flag.IntVar(&o.rate, "rate", 50, "events a second of a round at a fixed rate")
	flag.IntVar(&o.paced, "paced", 250, "events of a round at a fixed rate")
	flag.DurationVar(&o.settle, "settle", 2*time.Second, "how long after the last delivery a round's processor time is still counted")
	flag.DurationVar(&o.idle, "idle", 5*time.Second, "how long all are watched with nothing to do")
	flag.DurationVar(&o.patience, "patience", 20*time.Second, "how long nothing may arrive before a round is over")
	flag.Parse()
	return o
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, parse()); err != nil {
		fmt.Fprintln(os.Stderr, "rivals:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp(o.dir, "rivals")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	// Postgres does not run as root, and its user has to get to its folder.
	if err := os.Chmod(dir, 0o711); err != nil {
		return err
	}
	if o.sluice == "" {
		o.sluice = filepath.Join(dir, "bin-sluice") // "sluice" is the folder of its data
		if err := measure.Build(ctx, o.sluice); err != nil {
			return err
		}
	}
	in, err := openInbox()
	if err != nil {
		return err
	}
	defer in.close()
	all, err := open(ctx, o, dir, in)
	defer func() {
		for _, c := range all {
			err = errors.Join(err, c.box.close())
		}
	}()
	if err != nil {
		return err
	}
	if err := race(ctx, o, all); err != nil {
		return err
	}
	report(o, all)
	return nil
}

// contender is a system that is measured, and what came of it.
type contender struct {
	system
	name   string
	box    *box
	target target
	mail   *mailbox
	next   int // number of its next batch of events
	flat   []outcome
	steady []outcome
	memory map[string][]float64 // of each role, in MB, after each round
	idle   float64              // percent of a core, with nothing to do
}

// open starts all that can be measured, and says of the others that they are not.
func open(ctx context.Context, o options, dir string, in *inbox) (all []*contender, err error) {
	for _, c := range []struct {
		name   string
		binary *string
		system system
	}{
		{"sluice", &o.sluice, &ours{}}, {"outpost", &o.outpost, &outpost{}},
		{"convoy", &o.convoy, &convoy{}}, {"svix", &o.svix, &svix{}},
	} {
		if *c.binary == "" {
			fmt.Printf("%s is not measured: -%s names no binary\n", c.name, c.name)
			continue
		}
		if *c.binary, err = locate(*c.binary); err != nil {
			fmt.Printf("%s is not measured: %v\n", c.name, err)
			continue
		}
		next, err := begin(ctx, o, filepath.Join(dir, c.name), c.name, c.system, in)
		switch {
		case err == nil:
			all = append(all, next)
		case c.name == "sluice" || ctx.Err() != nil:
			return all, fmt.Errorf("%s: %w", c.name, err)
		default:
			fmt.Printf("%s is not measured: %v\n", c.name, err)
		}
	}
	return all, nil
}

// locate finds a command, on the path too, and tells where it is from any folder.
func locate(command string) (string, error) {
	path, err := exec.LookPath(command)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// begin starts one of them in a folder of its own. If it cannot, nothing is left
// running.
func begin(ctx context.Context, o options, dir, name string, s system, in *inbox) (*contender, error) {
	if err := os.Mkdir(dir, 0o711); err != nil {
		return nil, err
	}
	begun := time.Now()
	c := &contender{system: s, name: name, box: newBox(ctx, dir), mail: in.open(name, s.verify), memory: map[string][]float64{}}
	var err error
	if c.target, err = s.start(ctx, o, c.box, c.mail.url); err != nil {
		return nil, errors.Join(c.box.explain(err), c.box.close())
	}
	fmt.Printf("%s is up after %v: %s\n", name, time.Since(begun).Round(100*time.Millisecond), strings.Join(c.box.names(), ", "))
	return c, nil
}
