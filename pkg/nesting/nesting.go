// Package nesting says how deeply JSON is nested, and how deeply it may be.
package nesting

// Max is how deep objects may be nested. The deepest kinds in use, which have
// pod templates and schemas in them, stay below half of it. Working on an object
// costs the square of its depth, so that 45 kB of brackets would keep a core
// busy for many seconds.
const Max = 200

// OfJSON returns the depth of a JSON document in one pass, without decoding it.
// It means nothing for what is not JSON.
func OfJSON(document []byte) int {
	depth, deepest, quoted, escaped := 0, 0, false, false
	for _, c := range document {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
