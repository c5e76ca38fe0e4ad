package nesting

import (
	"strings"
	"testing"
)

func TestOfJSON(t *testing.T) {
	for document, want := range map[string]int{
		``:                         0,
		`1`:                        0,
		`{}`:                       1,
		`[[],[[]]]`:                3,
		`{"a":{"b":[1]}}`:          3,
		`{"a":"{[{["}`:             1,
		`{"a":"\"{[","b":{}}`:      2,
		`{"a":"\\","b":{"c":{}}}`:  3,
		strings.Repeat("[", 10000): 10000,
	} {
		if got := OfJSON([]byte(document)); got != want {
			t.Errorf("%.30s: depth %d, want %d", document, got, want)
		}
	}
}
