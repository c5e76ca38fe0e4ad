package cliws

import (
	"fmt"
	"slices"
	"strings"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// branch is a workspace in the tree that somebody walks about in.
type branch struct {
	*node
	parent   *branch
	children []*branch
	// open shows the children; loaded tells that they were asked for.
	open, loaded bool
	// trouble says why they are not known.
	trouble string
}

// browser is a tree on a screen with a cursor in it. It knows neither screen nor
// hub: keys go in, wishes come out.
type browser struct {
	root, at *branch
	current  logicalcluster.Path
	// message is shown until the next key.
	message string
	// offset is the first row on the screen.
	offset int
}

// key is a key that means something.
type key int

const (
	keyNone key = iota
	keyUp
	keyDown
	keyFirst
	keyLast
	keyOpen
	keyClose
	keyToggle
	keyEnter
	keyQuit
)

// keySequences are what terminals send, longer ones before their beginnings.
var keySequences = []struct {
	bytes string
	key   key
}{
	{"\x1b[A", keyUp}, {"\x1bOA", keyUp}, {"k", keyUp},
	{"\x1b[B", keyDown}, {"\x1bOB", keyDown}, {"j", keyDown},
	{"\x1b[C", keyOpen}, {"\x1bOC", keyOpen}, {"l", keyOpen},
	{"\x1b[D", keyClose}, {"\x1bOD", keyClose}, {"h", keyClose}, {"\x7f", keyClose},
	{"\x1b[H", keyFirst}, {"g", keyFirst}, {"\x1b[F", keyLast}, {"G", keyLast},
	{" ", keyToggle}, {"\r", keyEnter}, {"\n", keyEnter},
	{"q", keyQuit}, {"\x03", keyQuit}, {"\x04", keyQuit},
}

// readKeys takes what came from a terminal apart.
func readKeys(input string) []key {
	if input == "\x1b" {
		return []key{keyQuit} // Escape alone; otherwise it begins a sequence.
	}
	var keys []key
	for input != "" {
		i := slices.IndexFunc(keySequences, func(s struct {
			bytes string
			key   key
		}) bool {
			return strings.HasPrefix(input, s.bytes)
		})
		if i < 0 {
			input = input[1:]
			continue
		}
		keys = append(keys, keySequences[i].key)
		input = input[len(keySequences[i].bytes):]
	}
	return keys
}

// wish is what the browser wants done.
type wish int

const (
	wishNothing wish = iota
	// wishLoad is for the children of the branch under the cursor.
	wishLoad
	// wishEnter is to enter the workspace under the cursor, and wishQuit none.
	wishEnter
	wishQuit
)

// press reacts to a key.
func (b *browser) press(k key) wish {
	b.message = ""
	rows := b.visible()
	row := slices.Index(rows, b.at)
	switch k {
	case keyUp:
		b.at = rows[max(row-1, 0)]
	case keyDown:
		b.at = rows[min(row+1, len(rows)-1)]
	case keyFirst:
		b.at = rows[0]
	case keyLast:
		b.at = rows[len(rows)-1]
	case keyOpen:
		return b.open()
	case keyClose:
		b.close()
	case keyToggle:
		if b.at.open {
			b.close()
			return wishNothing
		}
		return b.open()
	case keyEnter:
		return wishEnter
	case keyQuit:
		return wishQuit
	}
	return wishNothing
}

// open shows the children, or goes to the first of them.
func (b *browser) open() wish {
	switch {
	case !b.at.open:
		b.at.open = true
		if !b.at.loaded {
			return wishLoad
		}
	case len(b.at.children) > 0:
		b.at = b.at.children[0]
	}
	return wishNothing
}

// close hides the children, or goes to the parent.
func (b *browser) close() {
	switch {
	case b.at.open && len(b.at.children) > 0:
		b.at.open = false
	case b.at.parent != nil:
		b.at = b.at.parent
	}
}

// loaded gives a branch the children that were asked for.
func (br *branch) load(children []*node, trouble string) {
	br.loaded, br.trouble = true, trouble
	for _, child := range children {
		known := slices.IndexFunc(br.children, func(c *branch) bool { return c.path == child.path })
		if known >= 0 {
			br.children[known].node = child
			continue
		}
		br.children = append(br.children, &branch{node: child, parent: br})
	}
	slices.SortFunc(br.children, func(a, b *branch) int { return strings.Compare(string(a.path), string(b.path)) })
}

// newBrowser begins at the current workspace, with the way to it open.
func newBrowser(current logicalcluster.Path) *browser {
	segments := current.Segments()
	at := &branch{node: &node{path: logicalcluster.Path(segments[0])}}
	b := &browser{root: at, current: current}
	for _, segment := range segments[1:] {
		child := &branch{node: &node{path: at.path.Join(segment)}, parent: at}
		at.children, at.open = []*branch{child}, true
		at = child
	}
	b.at, at.open = at, true
	return b
}

// way lists the branches from the root to the cursor.
func (b *browser) way() []*branch {
	var way []*branch
	for br := b.at; br != nil; br = br.parent {
		way = append(way, br)
	}
	slices.Reverse(way)
	return way
}

// visible lists the branches that are shown, from top to bottom.
func (b *browser) visible() []*branch {
	var rows []*branch
	var walk func(*branch)
	walk = func(br *branch) {
		rows = append(rows, br)
		if br.open {
			for _, child := range br.children {
				walk(child)
			}
		}
	}
	walk(b.root)
	return rows
}

const (
	browserHelp = "up/down move  right/left open/close  enter go there  q quit"
	// browserFrame is how many lines are not rows of the tree.
	browserFrame = 4
	reverseVideo = "\x1b[7m"
	plainVideo   = "\x1b[0m"
)

// view draws the browser in so many columns and lines.
func (b *browser) view(columns, lines int) []string {
	rows, room := b.visible(), max(lines-browserFrame, 1)
	row := slices.Index(rows, b.at)
	b.offset = min(max(b.offset, row-room+1), row)
	var screen []string
	for _, br := range rows[b.offset:min(b.offset+room, len(rows))] {
		text := clip(b.line(br), columns)
		if br == b.at {
			text = reverseVideo + text + plainVideo
		}
		screen = append(screen, text)
	}
	more := ""
	if hidden := len(rows) - b.offset - len(screen); hidden > 0 {
		more = fmt.Sprintf("  (%d more below)", hidden)
	}
	return append(screen, clip(more, columns), clip(b.details(), columns), clip(browserHelp, columns))
}

// line is the row of a branch.
func (b *browser) line(br *branch) string {
	mark, here := "+", ""
	switch {
	case br.mount || br.loaded && len(br.children) == 0:
		mark = " "
	case br.open:
		mark = "-"
	}
	if br.mount {
		here = " [m]"
	}
	if br.path == b.current {
		here += "  <- you are here"
	}
	if br.trouble != "" {
		here += "  (" + br.trouble + ")"
	}
	depth := len(br.path.Segments()) - len(b.root.path.Segments())
	return fmt.Sprintf("%s%s %s%s", strings.Repeat("  ", depth), mark, br.path.Base(), here)
}

// details tell about the workspace under the cursor.
func (b *browser) details() string {
	if b.message != "" {
		return b.message
	}
	parts := []string{b.at.path.String()}
	if b.at.kind != nil {
		parts = append(parts, b.at.kind.String())
	}
	if b.at.phase != "" {
		parts = append(parts, string(b.at.phase))
	}
	return strings.Join(parts, "  ")
}

// clip cuts a line to what fits.
func clip(line string, columns int) string {
	runes := []rune(line)
	return string(runes[:min(len(runes), max(columns, 0))])
}
