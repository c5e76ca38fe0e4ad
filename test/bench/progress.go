package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progress tells people what goes on.
type progress struct {
	mu    sync.Mutex
	out   io.Writer
	began time.Time
	now   string
}

func newProgress(out io.Writer) *progress { return &progress{out: out, began: time.Now()} }

// begin names the experiment that the following lines are of.
func (p *progress) begin(experiment string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = experiment + ": "
}

func (p *progress) printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "%6.1f s  %s%s\n", time.Since(p.began).Seconds(), p.now, fmt.Sprintf(format, args...))
}

// worthCounting is from how many things on it is told how far they are.
const worthCounting = 50

// count returns a function to call as each of total things is done; it prints a
// line every tenth of the way.
func (p *progress) count(total int, what string) func() {
	if total < worthCounting {
		return func() {}
	}
	var mu sync.Mutex
	done := 0
	return func() {
		mu.Lock()
		defer mu.Unlock()
		done++
		if done*10/total != (done-1)*10/total {
			p.printf("%s %d of %d", what, done, total)
		}
	}
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
