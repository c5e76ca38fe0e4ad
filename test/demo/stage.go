package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	// column is where the elapsed time stands in a title.
	column = 78
	// impatience is how long a command may be silent before a clock is shown.
	impatience = time.Second
)

// stage is the terminal.
type stage struct {
	out   *os.File
	began time.Time
	// styled is for terminals; elsewhere the output is plain text.
	styled bool
	// fresh is whether the last line is a title.
	fresh bool

	mu sync.Mutex
	// waiting stops the clock that shows that something is going on.
	waiting func()
}

func newStage(out *os.File) *stage {
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &stage{out: out, began: time.Now(), styled: terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (s *stage) elapsed() string { return fmt.Sprintf("%.1f s", time.Since(s.began).Seconds()) }

func (s *stage) style(code, text string) string {
	if !s.styled {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *stage) bold(text string) string  { return s.style("1", text) }
func (s *stage) faint(text string) string { return s.style("2", text) }

// open prints what this is.
func (s *stage) open() {
	s.began = time.Now()
	fmt.Fprintf(s.out, "%s\n", s.bold("Atrium: one hub, workspaces for teams, and clusters that do the work."))
	fmt.Fprintln(s.out, "Everything below runs on this machine, in .demo, and takes about a minute. Ctrl-C ends it.")
}

// step prints the title of a step.
func (s *stage) step(number, of int, title string) {
	s.calm()
	label := fmt.Sprintf("%d/%d  %s", number, of, title)
	elapsed := s.elapsed()
	gap := strings.Repeat(" ", max(2, column-len([]rune(label))-len(elapsed)))
	fmt.Fprintf(s.out, "\n%s%s%s\n\n", s.bold(label), gap, s.faint(elapsed))
	s.fresh = true
}

// say prints a line that is not of a command.
func (s *stage) say(format string, args ...any) {
	s.calm()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// note prints a line about what a step has found out.
func (s *stage) note(format string, args ...any) {
	s.calm()
	fmt.Fprintf(s.out, "     %s\n", fmt.Sprintf(format, args...))
}

// explain prints a paragraph before commands.
func (s *stage) explain(text string) {
	s.calm()
	if !s.fresh {
		fmt.Fprintln(s.out)
	}
	for line := range strings.Lines(text) {
		fmt.Fprintf(s.out, "   %s\n", s.style("3", strings.TrimRight(line, "\n")))
	}
	fmt.Fprintln(s.out)
}

// command prints a command line.
func (s *stage) command(line string) {
	s.calm()
	s.fresh = false
	first, rest, more := strings.Cut(line, "\n")
	fmt.Fprintf(s.out, "   %s %s\n", s.faint("$"), s.bold(first))
	if more {
		fmt.Fprintln(s.out, s.bold(indent(rest)))
	}
}

// output prints what a command has shown, at most lines of it if lines is not 0.
func (s *stage) output(text string, lines int) {
	s.calm()
	all := strings.Split(strings.Trim(text, "\n"), "\n")
	left := 0
	if lines > 0 && len(all) > lines {
		left, all = len(all)-lines, all[:lines]
	}
	if text = strings.Join(all, "\n"); text != "" {
		fmt.Fprintln(s.out, indent(text))
	}
	if left > 0 {
		fmt.Fprintln(s.out, indent(s.faint(fmt.Sprintf("… and %d more lines", left))))
	}
}

// wait shows a running clock, on a terminal, until the next output.
func (s *stage) wait(what string) {
	s.calm()
	if !s.styled {
		return
	}
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		s.tick(what, done)
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = func() { close(done); <-gone }
}

func (s *stage) tick(what string, done <-chan struct{}) {
	began, erase := time.Now(), ""
	ticker := time.NewTicker(impatience)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			fmt.Fprint(s.out, erase)
			return
		case <-ticker.C:
			erase = "\r\x1b[K"
			fmt.Fprintf(s.out, "\r%s\x1b[K", indent(s.faint(fmt.Sprintf("… %s, %.0f s", what, time.Since(began).Seconds()))))
		}
	}
}

// calm ends a wait.
func (s *stage) calm() {
	s.mu.Lock()
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	if waiting != nil {
		waiting()
	}
}

func (s *stage) finish() {
	s.say("\n%s\n", s.bold("All of it took "+s.elapsed()+"."))
}

// indent moves text to where output stands. Lines do not end with spaces.
func indent(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight("     "+line, " ")
	}
	return strings.Join(lines, "\n")
}
