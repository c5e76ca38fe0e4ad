package child

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOptionsSayWhatIsWrong(t *testing.T) {
	good := Options{Dir: "/tmp/eu", Name: "eu", Port: 6543, Nodes: 2}
	cases := []struct {
		name   string
		change func(*Options)
		want   string // a part of the message; "" for none
	}{
		{"good", func(*Options) {}, ""},
		{"free ports", func(o *Options) { o.Port, o.KubeletPort = 0, 0 }, ""},
		{"no nodes", func(o *Options) { o.Nodes = 0 }, ""},
		{"no directory", func(o *Options) { o.Dir = "" }, "--dir is missing"},
		{"no name", func(o *Options) { o.Name = "" }, `--name "" is not a cluster name`},
		{"upper case", func(o *Options) { o.Name = "EU" }, `--name "EU"`},
		{"path in the name", func(o *Options) { o.Name = "../eu" }, `--name "../eu"`},
		{"long name", func(o *Options) { o.Name = strings.Repeat("a", 51) }, "at most 50"},
		{"negative nodes", func(o *Options) { o.Nodes = -1 }, "--nodes -1"},
		{"many nodes", func(o *Options) { o.Nodes = 1001 }, "--nodes 1001"},
		{"port too large", func(o *Options) { o.Port = 65536 }, "1 to 65535"},
		{"one port for both", func(o *Options) { o.KubeletPort = 6543 }, "both 6543"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			options := good
			c.change(&options)
			_, err := options.complete()
			checkUsageError(t, err, c.want)
		})
	}
}

func TestGroupOptionsSayWhatIsWrong(t *testing.T) {
	cases := []struct {
		name    string
		options GroupOptions
		want    string
	}{
		{"good", GroupOptions{Root: "/tmp", Names: []string{"eu", "us"}}, ""},
		{"no root", GroupOptions{Names: []string{"eu"}}, "--root is missing"},
		{"no names", GroupOptions{Root: "/tmp"}, "no cluster named"},
		{"twice", GroupOptions{Root: "/tmp", Names: []string{"eu", "us", "eu"}}, "given twice"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			checkUsageError(t, c.options.check(), c.want)
		})
	}
}

func TestMembersHaveTheirOwnPlaces(t *testing.T) {
	options := GroupOptions{Root: "/data", Names: []string{"eu", "us"}, BasePort: 7000, Nodes: 3}
	want := []string{"cluster", "--name=us", "--dir=/data/us", "--port=7010", "--nodes=3", "--allow-exec=false"}
	if diff := cmp.Diff(want, options.memberArgs(1)); diff != "" {
		t.Error(diff)
	}
	options.BasePort = 0
	if got := options.memberArgs(1)[3]; got != "--port=0" {
		t.Errorf("without a base port: %s", got)
	}
}

func TestChooseIdentity(t *testing.T) {
	known := identity{Name: "eu", Port: 7001, KubeletPort: 7002}
	cases := []struct {
		name  string
		asked Options
		found bool
		want  identity
		err   string
	}{
		{"new directory, free ports", Options{Name: "us"}, false, identity{Name: "us"}, ""},
		{"restart keeps the ports", Options{Name: "eu"}, true, known, ""},
		{"asked ports win", Options{Name: "eu", Port: 8001, KubeletPort: 8002}, true, identity{"eu", 8001, 8002}, ""},
		{"new port is the old kubelet's", Options{Name: "eu", Port: 7002}, true, identity{"eu", 7002, 0}, ""},
		{"new kubelet port is the old port", Options{Name: "eu", KubeletPort: 7001}, true, identity{"eu", 0, 7001}, ""},
		{"another cluster's directory", Options{Name: "us", Dir: "/d"}, true, identity{}, `/d belongs to the cluster "eu", not "us"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			old := identity{}
			if c.found {
				old = known
			}
			got, err := chooseIdentity(c.asked, old, c.found)
			checkUsageError(t, err, c.err)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func checkUsageError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Fatalf("unexpected error: %v", err)
		}
		return
	}
	if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), want) {
		t.Fatalf("got error %v, want a usage error with %q", err, want)
	}
}
