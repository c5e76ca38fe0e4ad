package v1alpha1

import "testing"

func TestInitializerLabel(t *testing.T) {
	key, value := InitializerOf("root", "example").Label()
	if len(key) != 63 || len(value) != 56 || key != InitializerLabelPrefix+value[:35] {
		t.Errorf("label %q: %q", key, value)
	}
	terminatorKey, terminatorValue := TerminatorOf("root", "example").Label()
	if len(terminatorKey) != 63 || terminatorValue != value {
		t.Errorf("label %q: %q", terminatorKey, terminatorValue)
	}
}

func TestTypeOfInitializer(t *testing.T) {
	for id, want := range map[LogicalClusterInitializer][2]string{
		"root:example":       {"root", "example"},
		"2xk8p9:example":     {"2xk8p9", "example"},
		"root:org:example":   {"root:org", "example"},
		"system:apibindings": {},
		"example":            {},
		"":                   {},
	} {
		cluster, name, ok := id.Type()
		if ok != (want[1] != "") || ok && (cluster.String() != want[0] || name != want[1]) {
			t.Errorf("%q: %q, %q, %v", id, cluster, name, ok)
		}
	}
}
