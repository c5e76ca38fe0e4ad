package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// row is a line of the table.
type row struct {
	what, measured, budget string
	// verdict is "met", or by how much the budget was missed and what is known of
	// the cause.
	verdict string
}

var titles = row{"what", "measured", "budget", "met, or cause"}

func (r row) cells() [4]string { return [4]string{r.what, r.measured, r.budget, r.verdict} }

// met is the verdict on a budget that was kept.
const met = "met"

// table collects rows.
type table struct {
	rows []row
	// excused is how many rows have had their excuse.
	excused int
}

func (t *table) add(r row) { t.rows = append(t.rows, r) }

// excuse adds to the budgets that were missed since it was last called what
// others did meanwhile.
func (t *table) excuse(u usage) {
	for i := t.excused; i < len(t.rows); i++ {
		if t.rows[i].verdict != met && u.warning() != "" {
			t.rows[i].verdict += fmt.Sprintf("; others used %.0f %% of the cores", u.others*100)
		}
	}
	t.excused = len(t.rows)
}

// print prints what was measured on, and the rows.
func (t *table) print(out io.Writer, m machine, u usage, o *options) {
	fmt.Fprintf(out, "\n%s\n%s\n", m, u)
	if len(o.arguments) > 0 {
		fmt.Fprintf(out, "Measured with: %s\n", strings.Join(o.arguments, " "))
	}
	for _, warning := range []string{m.warning(), u.warning()} {
		if warning != "" {
			fmt.Fprintln(out, warning)
		}
	}
	fmt.Fprintf(out, "\n%s", t.text())
}

// text is the table as Markdown that reads well unrendered.
func (t *table) text() string {
	all := append([]row{titles}, t.rows...)
	var widths [4]int
	for _, r := range all {
		for i, cell := range r.cells() {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var text strings.Builder
	for i, r := range all {
		text.WriteString(line(r.cells(), widths, " "))
		if i == 0 {
			text.WriteString(line([4]string{}, widths, "-"))
		}
	}
	return text.String()
}

func line(cells [4]string, widths [4]int, fill string) string {
	var text strings.Builder
	for i, cell := range cells {
		text.WriteString("|" + fill + cell + strings.Repeat(fill, widths[i]-utf8.RuneCountInString(cell)) + fill)
	}
	return text.String() + "|\n"
}

// atMost judges a figure that is to be small. cause is what is known when it is
// not; nothing is fine.
func atMost(measured, limit float64, cause string) string {
	return verdict(cause, above(measured, limit))
}

// atLeast judges a figure that is to be large.
func atLeast(measured, limit float64, cause string) string {
	return verdict(cause, below(measured, limit))
}

// verdict is met if there are no misses but empty ones.
func verdict(cause string, misses ...string) string {
	misses = slices.DeleteFunc(misses, func(miss string) bool { return miss == "" })
	if len(misses) == 0 {
		return met
	}
	text := "NOT MET, " + strings.Join(misses, ", ")
	if cause != "" {
		text += ": " + cause
	}
	return text
}

// above says by how much a figure is too large; nothing if it is not.
func above(measured, limit float64) string {
	switch {
	case measured <= limit:
		return ""
	case measured < 2*limit:
		return fmt.Sprintf("%.0f %% over", math.Ceil((measured/limit-1)*100))
	}
	return fmt.Sprintf("%.1f times the budget", measured/limit)
}

// below says by how much a figure is too small; nothing if it is not.
func below(measured, limit float64) string {
	if measured >= limit {
		return ""
	}
	return fmt.Sprintf("%.0f %% under", math.Ceil((1-measured/limit)*100))
}

// named says which of several figures missed.
func named(name, miss string) string {
	if miss == "" {
		return ""
	}
	return name + " " + miss
}
