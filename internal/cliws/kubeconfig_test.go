package cliws

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// config builds a kubeconfig: the current context, then "<context> <cluster>
// <user>" and "<cluster>=<server>" lines.
func config(current string, lines ...string) *clientcmdapi.Config {
	c := clientcmdapi.NewConfig()
	c.CurrentContext = current
	for _, line := range lines {
		if cluster, server, ok := strings.Cut(line, "="); ok {
			c.Clusters[cluster] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: []byte("ca of " + hostOf(server))}
			continue
		}
		words := strings.Fields(line)
		c.Contexts[words[0]] = &clientcmdapi.Context{Cluster: words[1], AuthInfo: words[2]}
	}
	return c
}

func hostOf(server string) string {
	host, _, _ := strings.Cut(strings.TrimPrefix(server, "https://"), "/")
	return host
}

func TestEnter(t *testing.T) {
	cases := map[string]struct {
		before *clientcmdapi.Config
		want   *clientcmdapi.Config
		err    string
	}{
		"from a context of one's own": {
			before: config("root", "root root admin", "root=https://hub/clusters/root"),
			want: config(currentKey,
				"root root admin", "root=https://hub/clusters/root",
				currentKey+" "+currentKey+" admin", currentKey+"=https://hub/clusters/root:a",
				previousKey+" root admin"),
		},
		"from the plugin's context": {
			before: config(currentKey, currentKey+" "+currentKey+" admin", currentKey+"=https://hub/clusters/root"),
			want: config(currentKey,
				currentKey+" "+currentKey+" admin", currentKey+"=https://hub/clusters/root:a",
				previousKey+" "+previousKey+" admin", previousKey+"=https://hub/clusters/root"),
		},
		"older previous is replaced": {
			before: config(currentKey,
				currentKey+" "+currentKey+" admin", currentKey+"=https://hub/clusters/root:b",
				previousKey+" "+previousKey+" other", previousKey+"=https://hub/clusters/root:c"),
			want: config(currentKey,
				currentKey+" "+currentKey+" admin", currentKey+"=https://hub/clusters/root:a",
				previousKey+" "+previousKey+" admin", previousKey+"=https://hub/clusters/root:b"),
		},
		"no such context": {
			before: config("gone", "root root admin"),
			err:    `current "gone" context not found`,
		},
		"no such cluster": {
			before: config("root", "root gone admin"),
			err:    `cluster "gone" not found in kubeconfig`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			untouched := tc.before.DeepCopy()
			got, err := enter(tc.before, "https://hub/clusters/root:a")
			checkError(t, err, tc.err)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("enter (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(untouched, tc.before); diff != "" {
				t.Errorf("enter changed its argument (-before +after):\n%s", diff)
			}
		})
	}
}

func TestSwap(t *testing.T) {
	cases := map[string]struct {
		before *clientcmdapi.Config
		want   *clientcmdapi.Config
		server string
		err    string
	}{
		"between workspaces": {
			before: config(currentKey,
				currentKey+" "+currentKey+" admin", currentKey+"=https://hub/clusters/root:a",
				previousKey+" "+previousKey+" other", previousKey+"=https://hub/clusters/root:b"),
			want: config(currentKey,
				currentKey+" "+currentKey+" other", currentKey+"=https://hub/clusters/root:b",
				previousKey+" "+previousKey+" admin", previousKey+"=https://hub/clusters/root:a"),
			server: "https://hub/clusters/root:b",
		},
		"back to a context of one's own": {
			before: config(currentKey,
				currentKey+" "+currentKey+" admin", currentKey+"=https://hub/clusters/root:a",
				previousKey+" kind me", "kind=https://kind"),
			want: config(currentKey,
				currentKey+" kind me", currentKey+"=https://hub/clusters/root:a", "kind=https://kind",
				previousKey+" "+previousKey+" admin", previousKey+"=https://hub/clusters/root:a"),
			server: "https://kind",
		},
		"between contexts of one's own": {
			before: config("kind",
				"kind kind me", "kind=https://kind",
				previousKey+" other you", "other=https://other"),
			want: config(currentKey,
				"kind kind me", "kind=https://kind",
				currentKey+" other you", "other=https://other",
				previousKey+" kind me"),
			server: "https://other",
		},
		"nowhere to go back to": {
			before: config("kind", "kind kind me", "kind=https://kind"),
			err:    "no previous workspace found in kubeconfig",
		},
		"previous cluster is gone": {
			before: config("kind", "kind kind me", "kind=https://kind", previousKey+" gone me"),
			err:    `cluster "gone" not found in kubeconfig`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			untouched := tc.before.DeepCopy()
			got, server, err := swap(tc.before)
			checkError(t, err, tc.err)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("swap (-want +got):\n%s", diff)
			}
			if server != tc.server {
				t.Errorf("server = %q, want %q", server, tc.server)
			}
			if diff := cmp.Diff(untouched, tc.before); diff != "" {
				t.Errorf("swap changed its argument (-before +after):\n%s", diff)
			}
		})
	}
}

// Swapping twice is where one began, apart from the names of the contexts.
func TestSwapTwice(t *testing.T) {
	before := config(currentKey,
		currentKey+" "+currentKey+" admin", currentKey+"=https://hub/clusters/root:a",
		previousKey+" "+previousKey+" other", previousKey+"=https://hub/clusters/root:b")
	once, _, err := swap(before)
	checkError(t, err, "")
	twice, _, err := swap(once)
	checkError(t, err, "")
	if diff := cmp.Diff(before, twice); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

func TestAddContext(t *testing.T) {
	start := []string{"root root admin", "root=https://hub/clusters/root"}
	cases := map[string]struct {
		want    contextRequest
		after   *clientcmdapi.Config
		message string
		err     string
	}{
		"new": {
			want:    contextRequest{name: "team", server: "https://hub/clusters/root:team"},
			after:   config("team", append(start, "team team admin", "team=https://hub/clusters/root:team")...),
			message: `Created context "team" and switched to it.`,
		},
		"new, stay": {
			want:    contextRequest{name: "team", server: "https://hub/clusters/root:team", stay: true},
			after:   config("root", append(start, "team team admin", "team=https://hub/clusters/root:team")...),
			message: `Created context "team".`,
		},
		"taken": {
			want: contextRequest{name: "root", server: "https://hub/clusters/root:team"},
			err:  `context "root" already exists in kubeconfig, use --overwrite to update it`,
		},
		"overwrite the current one": {
			want:    contextRequest{name: "root", server: "https://hub/clusters/root:team", overwrite: true},
			after:   config("root", "root root admin", "root=https://hub/clusters/root:team"),
			message: `Updated context "root".`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, message, err := addContext(config("root", start...), tc.want)
			checkError(t, err, tc.err)
			if diff := cmp.Diff(tc.after, got); diff != "" {
				t.Errorf("addContext (-want +got):\n%s", diff)
			}
			if message != tc.message {
				t.Errorf("message = %q, want %q", message, tc.message)
			}
		})
	}
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Fatalf("error = %v, want %q", err, want)
	}
}
