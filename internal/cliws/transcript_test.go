package cliws

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/atriumhub/atrium/internal/cli"
)

// TestTranscripts plays the sessions in testdata against a fake hub.
//
//	hub         a line per workspace: <path> [type=…] [denied] [unlisted] [unready] [mount] [deleting] [claim=…]
//	home        the path of the home workspace, and the phases before it is ready
//	birth       the course of workspaces that are created from now on
//	death       the course of workspaces that are deleted from now on
//	kubeconfig  current context, then "<context> <cluster> <user>" and "<cluster>=<server>" lines; prints it when empty
//	ws          the words after "kubectl ws"; prints what it prints
//	interrupted the same, with Ctrl-C as soon as it waits
//	requests    prints what the hub was asked since the last time
//
// "HUB" stands for the address of the hub, "HOME" for the home directory.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, file string) {
		s := newScene(t)
		datadriven.RunTest(t, file, s.do)
	})
}

type scene struct {
	hub  *fakeHub
	home string
	file string
}

func newScene(t *testing.T) *scene {
	home := t.TempDir()
	// No variable of the machine may choose another kubeconfig.
	t.Setenv("KUBECONFIG", filepath.Join(home, "kubeconfig"))
	t.Setenv("HOME", home)
	return &scene{hub: startFakeHub(t), home: home, file: filepath.Join(home, "kubeconfig")}
}

func (s *scene) do(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "hub":
		for line := range strings.Lines(d.Input) {
			s.hub.add(t, line)
		}
	case "home":
		words := strings.Fields(d.Input)
		s.hub.home, s.hub.homeCourse = words[0], words[1:]
	case "birth":
		s.hub.birth = strings.Fields(d.Input)
	case "death":
		s.hub.death = strings.Fields(d.Input)
	case "kubeconfig":
		return s.kubeconfig(t, d.Input)
	case "ws":
		return s.ws(t.Context(), d.Input, s.hub.time.after)
	case "interrupted":
		ctx, interrupt := context.WithCancel(t.Context())
		return s.ws(ctx, d.Input, func(time.Duration) <-chan time.Time {
			interrupt()
			return nil
		})
	case "requests":
		asked := strings.Join(s.hub.requests, "\n")
		s.hub.requests = nil
		return asked + "\n"
	default:
		t.Fatalf("unknown command %q", d.Cmd)
	}
	return ""
}

// kubeconfig writes the file, or describes it.
func (s *scene) kubeconfig(t *testing.T, input string) string {
	if input != "" {
		lines := strings.Split(strings.TrimSpace(s.outside(input)), "\n")
		c := config(lines[0], lines[1:]...)
		for _, cluster := range c.Clusters {
			cluster.CertificateAuthorityData = s.hub.ca
		}
		c.AuthInfos["admin"] = &clientcmdapi.AuthInfo{Token: "good"}
		c.AuthInfos["stranger"] = &clientcmdapi.AuthInfo{Token: "bad"}
		if err := clientcmd.WriteToFile(*c, s.file); err != nil {
			t.Fatal(err)
		}
		return ""
	}
	c, err := clientcmd.LoadFromFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	b := &strings.Builder{}
	for _, name := range slices.Sorted(maps.Keys(c.Contexts)) {
		mark, context := " ", c.Contexts[name]
		if name == c.CurrentContext {
			mark = "*"
		}
		fmt.Fprintf(b, "%s %s: %s as %s\n", mark, name, c.Clusters[context.Cluster].Server, context.AuthInfo)
	}
	return s.inside(b.String())
}

func (s *scene) ws(ctx context.Context, input string, after func(time.Duration) <-chan time.Time) string {
	var out bytes.Buffer
	errOut := &listener{said: s.hub.time.said}
	cmd := newCommand(environment{
		streams:  cli.Streams{In: strings.NewReader(""), Out: &out, ErrOut: errOut},
		userHome: func() (string, error) { return s.home, nil },
		terminal: func(io.Writer) bool { return false },
		after:    after,
	})
	cmd.SetArgs(strings.Fields(s.outside(input)))
	code := cli.Main(ctx, cmd)

	b := &strings.Builder{}
	b.WriteString(out.String())
	for line := range strings.Lines(errOut.String()) {
		b.WriteString("stderr: " + line)
	}
	if code != 0 {
		fmt.Fprintf(b, "exit %d\n", code)
	}
	return s.inside(b.String())
}

// listener is an error stream that notices when the plugin gets impatient.
type listener struct {
	bytes.Buffer
	said chan<- struct{}
}

func (l *listener) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("is not ready yet")) || bytes.Contains(p, []byte("is not gone yet")) {
		l.said <- struct{}{}
	}
	return l.Buffer.Write(p)
}

// outside puts the real addresses into what a transcript says.
func (s *scene) outside(text string) string {
	return strings.NewReplacer("HUB", s.hub.url, "HOME", s.home).Replace(text)
}

// inside is the reverse.
func (s *scene) inside(text string) string {
	return strings.NewReplacer(s.hub.url, "HUB", s.home, "HOME").Replace(text)
}
