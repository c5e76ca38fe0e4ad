package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"time"
)

// options are what the command line says.
type options struct {
	run       *regexp.Regexp
	list      bool
	n         int
	watchers  int
	objects   int
	samples   int
	alike     int
	clients   int
	round     time.Duration
	dir       string
	keep      bool
	arguments []string
}

// most is the largest size that the sizes' flags take.
const most = 10000

const introduction = `Bench measures a hub, its workspaces and its agents, and prints a table with the budgets.

  go run ./test/bench [flags]

Programs are taken from bin/ ("make programs"), or from $ATRIUM_BIN. Progress goes to standard error,
the table to standard output.

`

const methods = `
How it is measured:
  ready      From exec until the process says that it is ready, in its log. Median of 3 starts.
  latency    From before a request is sent until the result is seen in a watch by this program, which
             shares the cores. One request at a time, unless it says "4 clients".
  memory     The resident set (VmRSS), which counts the binary and the mapped database as far as they
             were touched. A Go process keeps garbage for up to two minutes and frees pages slowly, so
             /metrics is read over and over, which makes garbage, until two collections have ended, and
             then VmRSS until it moves by less than 1 % in 3 s. Per workspace: what the hub holds with N
             less what the same hub holds with 10, when it has made and deleted some, divided by N-10.
             "Heap" is what lives in the Go heap after a collection, by the process's own metrics.
             After deletion: once etcd has thrown away the history, which it keeps for 20 s here, and the
             database was rewritten without it.
  series     Lines of /metrics, read as shard-admin, at the same two moments.
  described  From the answer to a write until a client that looks all the time, with the ETag it has seen, is
             told of the change by: legacy discovery, aggregated discovery, OpenAPI v2 and v3, in this order.
  ratios     Both sides take turns in short rounds (A B B A …), so that what else the machine does hits
             both alike.
  budgets    Those of the design for 10 000 workspaces. Durations that grow with the number of
             workspaces are held against the share of the budget that N workspaces have.
`

// parseOptions reads the command line. The error is flag.ErrHelp when help was
// asked for and has been printed.
func parseOptions(args []string, stderr io.Writer) (*options, error) {
	o := &options{arguments: args}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, introduction)
		flags.PrintDefaults()
		fmt.Fprint(stderr, methods)
	}
	var run string
	flags.StringVar(&run, "run", "", "run the experiments whose whole names match this `regexp`, as in create|memory; all without it")
	flags.BoolVar(&o.list, "list", false, "print the names of the experiments")
	flags.IntVar(&o.n, "n", 2000, "number of workspaces, 20 to 10000")
	flags.IntVar(&o.watchers, "watchers", 1000, "number of idle watchers, each in a workspace of its own; at most -n")
	flags.IntVar(&o.objects, "objects", 1000, "number of objects for the agent, 1 to 10000")
	flags.IntVar(&o.alike, "alike", 500, "number of workspaces that install the same ten definitions, 1 to 10000")
	flags.IntVar(&o.samples, "samples", 200, "number of samples of the latencies between hub and child")
	flags.IntVar(&o.clients, "clients", 4, "number of clients where several work at a time")
	flags.DurationVar(&o.round, "round", 2500*time.Millisecond, "length of a round of measuring throughput")
	flags.StringVar(&o.dir, "dir", "", "where to make a directory for all data; its file system decides what a disk write costs. The default is the system's temporary directory")
	flags.BoolVar(&o.keep, "keep", false, "leave that directory, with the logs, when done")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	var err error
	if o.run, err = regexp.Compile("^(?:" + cmp.Or(run, ".*") + ")$"); err != nil {
		return nil, fmt.Errorf("invalid -run: %w", err)
	}
	return o, o.check(flags.Args())
}

func (o *options) check(rest []string) error {
	o.watchers = min(o.watchers, o.n)
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.n < few*2 || o.n > most:
		return fmt.Errorf("invalid -n %d: 20 to %d", o.n, most)
	case o.objects < 1 || o.objects > most:
		return fmt.Errorf("invalid -objects %d: 1 to %d", o.objects, most)
	case o.alike < 1 || o.alike > most:
		return fmt.Errorf("invalid -alike %d: 1 to %d", o.alike, most)
	case o.watchers < 1 || o.samples < 1 || o.clients < 1 || o.round <= 0:
		return errors.New("-watchers, -samples, -clients and -round have to be positive")
	case len(chosen(o.run)) == 0:
		return errors.New("no experiment matches -run; -list prints their names")
	}
	return nil
}
