package cliatrium

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/atriumhub/atrium/internal/cli"
)

// TestTranscripts plays the sessions in testdata against a fake hub.
//
//	in       the workspace that the kubeconfig points to, or a URL path
//	fate     <resource>, then what controllers make of new objects, as YAML
//	refuse   resources that the user may not touch from now on
//	put      <workspace>/<path of an object>, then the object, as YAML
//	atrium   the words after "kubectl atrium"; prints what it prints
//	interrupted the same, with Ctrl-C as soon as it waits
//	complete what is typed so far, the unfinished word last; prints what fits
//	offline  the same as atrium, for commands that ask no hub; prints "(---)" for "---"
//	stored   <workspace>/<path of an object>; prints it
//	file     the name of a file, and what is to be in it; prints it when empty
//
// A wait ends at once if what it waits for is not there. "HUB" stands for the
// address of the hub, "DIR" for the working directory.
func TestTranscripts(t *testing.T) {
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	datadriven.Walk(t, testdata, func(t *testing.T, file string) {
		s := newScene(t)
		datadriven.RunTest(t, file, s.do)
	})
}

type scene struct {
	hub        *fakeHub
	directory  string
	kubeconfig string
}

func newScene(t *testing.T) *scene {
	// No variable of the machine may choose another kubeconfig.
	t.Setenv("KUBECONFIG", "")
	directory := t.TempDir()
	t.Chdir(directory)
	s := &scene{hub: startFakeHub(t), directory: directory, kubeconfig: filepath.Join(directory, "user.kubeconfig")}
	s.enter(t, "clusters/root:compute")
	return s
}

// enter writes a kubeconfig that refers to the CA by a file, as people do.
func (s *scene) enter(t *testing.T, path string) {
	t.Helper()
	ca := filepath.Join(s.directory, "ca.crt")
	if err := os.WriteFile(ca, s.hub.ca, 0o600); err != nil {
		t.Fatal(err)
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: s.hub.url + "/" + path, CertificateAuthority: ca}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: "good"}
	config.Contexts["c"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "c"
	if err := clientcmd.WriteToFile(*config, s.kubeconfig); err != nil {
		t.Fatal(err)
	}
}

func (s *scene) do(t *testing.T, d *datadriven.TestData) string {
	lines := strings.SplitN(d.Input, "\n", 2)
	rest := ""
	if len(lines) > 1 {
		rest = lines[1]
	}
	switch d.Cmd {
	case "in":
		s.enter(t, lines[0])
	case "fate":
		s.hub.fate[lines[0]] = object(t, rest)
	case "refuse":
		s.hub.refused = strings.Fields(d.Input)
	case "put":
		s.hub.store(lines[0], object(t, rest))
	case "stored":
		return s.outside(asYAML(t, s.hub.objects[lines[0]]))
	case "file":
		return s.file(t, lines[0], rest)
	case "atrium":
		return s.run(t.Context(), nil, append(split(d.Input), "--kubeconfig", s.kubeconfig))
	case "interrupted":
		ctx, interrupt := context.WithCancel(t.Context())
		return s.run(ctx, interrupt, append(split(d.Input), "--kubeconfig", s.kubeconfig))
	case "complete":
		words := split(d.Input)
		return s.run(t.Context(), nil, slices.Concat([]string{"__complete"}, words[:len(words)-1], []string{"--kubeconfig", s.kubeconfig}, words[len(words)-1:]))
	case "offline":
		return strings.ReplaceAll(s.run(t.Context(), nil, split(d.Input)), "---\n", "(---)\n")
	default:
		t.Fatalf("unknown command %q", d.Cmd)
	}
	return ""
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	o := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func asYAML(t *testing.T, o any) string {
	t.Helper()
	data, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.JSONToYAML(data)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// file writes a file, or prints one, with its mode.
func (s *scene) file(t *testing.T, name, content string) string {
	t.Helper()
	if content != "" {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return ""
	}
	info, err := os.Stat(name)
	if err != nil {
		return "no such file\n"
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().String() + "\n" + s.outside(string(data))
}

// run runs the plugin. Whenever it waits, time is up, or it is interrupted.
func (s *scene) run(ctx context.Context, interrupt func(), words []string) string {
	var out, errOut bytes.Buffer
	s.hub.forgetWatches()
	env := environment{
		streams: cli.Streams{Out: &out, ErrOut: &errOut},
		now:     func() time.Time { return s.hub.now },
		after: func(d time.Duration) <-chan time.Time {
			if d == patience {
				if interrupt != nil {
					interrupt()
				}
				return nil
			}
			if d == reconnect {
				over := make(chan time.Time)
				close(over)
				return over
			}
			return s.hub.timeout
		},
	}
	cmd := newCommand(env)
	cmd.SetArgs(words)
	code := cli.Main(ctx, cmd)
	text := s.outside(out.String())
	if errOut.Len() > 0 {
		text += "stderr: " + strings.TrimSpace(s.outside(errOut.String())) + "\n"
	}
	if code != 0 {
		text += fmt.Sprintf("exit %d\n", code)
	}
	// An empty line would end the expected output.
	return strings.ReplaceAll(text, "\n\n", "\n")
}

// split splits at blanks; "_" stands for an empty word.
func split(words string) []string {
	out := strings.Fields(words)
	for i := range out {
		if out[i] == "_" {
			out[i] = ""
		}
	}
	return out
}

func (s *scene) outside(text string) string {
	return strings.NewReplacer(s.hub.url, "HUB", s.directory, "DIR", base64.StdEncoding.EncodeToString(s.hub.ca), "CA").Replace(text)
}
