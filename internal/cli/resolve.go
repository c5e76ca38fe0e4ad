package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// Where says what kind of place was typed.
type Where int

const (
	// ToPath is a workspace by absolute or relative path.
	ToPath Where = iota
	// ToHome is the user's home workspace or one below it.
	ToHome
	// ToPrevious is the workspace that was current before.
	ToPrevious
	// ToCurrent is no move at all.
	ToCurrent
)

// LegacyRootNote is for people who type "root:a" and mean ":root:a".
const LegacyRootNote = "Note: Using 'root:' to define an absolute path is no longer supported. Instead, use ':root' to specify an absolute path."

// Destination is what a person typed for a workspace, taken apart.
type Destination struct {
	// Where says which of the other fields count.
	Where Where
	// Absolute tells that Segments begin at the top. An absolute destination
	// without segments is the top of the current tree.
	Absolute bool
	// Segments are names, "." and "..", in order.
	Segments []string
	// LegacyRoot tells that the path was absolute without a leading colon.
	LegacyRoot bool

	typed string
}

// ParseDestination takes apart what was typed. Slashes count as colons. userHome
// is the home directory, which shells put in place of "~"; it may be empty.
func ParseDestination(typed, userHome string) Destination {
	d := Destination{typed: typed}
	s := strings.ReplaceAll(unexpand(typed, userHome), "/", ":")
	if len(s) > 1 {
		s = strings.TrimSuffix(s, ":")
	}
	switch {
	case s == "-":
		d.Where = ToPrevious
	case s == ".":
		d.Where = ToCurrent
	case s == "" || s == "~":
		d.Where = ToHome
	case strings.HasPrefix(s, "~:"):
		d.Where = ToHome
		d.Segments = strings.Split(s[2:], ":")
	case s == ":":
		d.Absolute = true
	case strings.HasPrefix(s, ":"):
		d.Absolute = true
		d.Segments = strings.Split(s[1:], ":")
	default:
		d.Segments = strings.Split(s, ":")
		d.LegacyRoot = d.Segments[0] == logicalcluster.Root.String()
		d.Absolute = d.LegacyRoot
	}
	return d
}

// unexpand undoes what a shell made of "~".
func unexpand(typed, userHome string) string {
	userHome = strings.TrimSuffix(userHome, "/")
	if userHome == "" {
		return typed
	}
	if rest, ok := strings.CutPrefix(typed, userHome); ok && (rest == "" || rest[0] == '/') {
		return "~" + rest
	}
	return typed
}

// Path returns the absolute path of a destination that is a path or at home.
// current is the current workspace; home is the home workspace. Only what the
// destination starts from has to be set.
func (d Destination) Path(current, home logicalcluster.Path) (logicalcluster.Path, error) {
	from, err := d.from(current, home)
	if err != nil {
		return "", err
	}
	path, err := walk(from, d.Segments)
	if err != nil {
		return "", err
	}
	if slices.Contains(d.Segments, "") || !path.IsValid() {
		return "", fmt.Errorf("invalid workspace path: %s: every name between colons has 1 to 63 characters of a-z, 0-9 and '-', the first and last of them a letter or digit", d.typed)
	}
	return path, nil
}

func (d Destination) from(current, home logicalcluster.Path) (logicalcluster.Path, error) {
	switch {
	case d.Where == ToHome:
		return home, nil
	case d.Where != ToPath:
		return "", fmt.Errorf("%q is not a workspace path", d.typed)
	case d.Absolute && len(d.Segments) == 0:
		if current == "" {
			return logicalcluster.Root.Path(), nil
		}
		return logicalcluster.Path(current.Segments()[0]), nil
	case d.Absolute:
		return "", nil
	}
	return current, nil
}

// walk follows segments from a path, which is empty at the top.
func walk(from logicalcluster.Path, segments []string) (logicalcluster.Path, error) {
	path := from
	for _, segment := range segments {
		switch segment {
		case ".":
		case "..":
			parent, ok := path.Parent()
			if !ok {
				return "", cannotGoUp(path)
			}
			path = parent
		default:
			path = path.Join(segment)
		}
	}
	return path, nil
}

func cannotGoUp(path logicalcluster.Path) error {
	if path == "" || path == logicalcluster.Root.Path() {
		return errors.New("cannot go up from root")
	}
	return fmt.Errorf("cannot go up from %q: it is an ID, not a path; use an absolute path, such as ':root'", path.String())
}
