package doors

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const hubURL = "https://hub.example.org:6443"

func TestParseAddress(t *testing.T) {
	for name, c := range map[string]struct {
		raw  string
		want Address
		says string
	}{
		"a cluster":                  {"https://eu.example.org:6443", Address{Host: "eu.example.org:6443"}, ""},
		"slash at the end":           {"https://eu.example.org/", Address{Host: "eu.example.org"}, ""},
		"a path":                     {"https://lb.example.org/k8s/clusters/c-1", Address{Host: "lb.example.org", Path: "/k8s/clusters/c-1"}, ""},
		"IPv6":                       {"https://[2001:db8::1]:6443", Address{Host: "[2001:db8::1]:6443"}, ""},
		"a workspace of the hub":     {"https://hub.example.org:6443/clusters/root:org", Address{Host: "hub.example.org:6443", Path: "/clusters/root:org", Own: true}, ""},
		"the hub, written otherwise": {"https://HUB.example.org.:6443/clusters/root:org/", Address{Host: "HUB.example.org.:6443", Path: "/clusters/root:org", Own: true}, ""},
		"a view of the hub":          {"https://hub.example.org:6443/services/syncer/a/b/c/clusters/d", Address{Host: "hub.example.org:6443", Path: "/services/syncer/a/b/c/clusters/d", Own: true}, ""},
		"another port of the hub":    {"https://hub.example.org/", Address{Host: "hub.example.org"}, ""},
		"the hub as a whole":         {hubURL, Address{}, "has to lead to a workspace"},
		"the hub's metrics":          {hubURL + "/metrics", Address{}, "has to lead to a workspace"},
		"no workspace of the hub":    {hubURL + "/clusters/", Address{}, "has to lead to a workspace"},
		"http":                       {"http://eu.example.org", Address{}, "https://"},
		"a file":                     {"file:///etc/passwd", Address{}, "https://"},
		"no scheme":                  {"eu.example.org:6443", Address{}, "https://"},
		"user":                       {"https://user@eu.example.org", Address{}, "credentials"},
		"user and password":          {"https://user:token@eu.example.org", Address{}, "credentials"},
		"query":                      {"https://eu.example.org/?x=y", Address{}, "query"},
		"empty query":                {"https://eu.example.org/?", Address{}, "query"},
		"fragment":                   {"https://eu.example.org/#x", Address{}, "fragment"},
		"no host":                    {"https://:6443", Address{}, "names no host"},
		"dots":                       {"https://eu.example.org/a/../b", Address{}, "plain"},
		"dots at the hub":            {hubURL + "/clusters/../metrics", Address{}, "plain"},
		"escapes":                    {"https://eu.example.org/a%2fb", Address{}, "plain"},
		"empty segments":             {"https://eu.example.org//a", Address{}, "plain"},
		"empty":                      {"", Address{}, "is empty"},
		"a port that is none":        {"https://eu.example.org:port", Address{}, "not a URL"},
		"line break":                 {"https://eu.example.org/\nHost: x", Address{}, "not a URL"},
		"a book":                     {"https://eu.example.org/" + strings.Repeat("a", 3000), Address{}, "2048"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseAddress(c.raw, hubURL)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, expected %q", err, c.says)
			}
		})
	}
}

func TestFor(t *testing.T) {
	for name, c := range map[string]struct {
		address Address
		below   logicalcluster.Path
		want    string
		ok      bool
	}{
		"a cluster":                       {Address{}, "", "/api/v1", true},
		"a cluster at a path":             {Address{Path: "/k8s/c"}, "", "/k8s/c/api/v1", true},
		"a workspace":                     {Address{Path: "/clusters/root:a"}, "", "/clusters/root:a/api/v1", true},
		"below a workspace":               {Address{Path: "/clusters/root:a"}, "b:c", "/clusters/root:a:b:c/api/v1", true},
		"below a workspace, in a view":    {Address{Path: "/services/x/clusters/root:a"}, "b", "/services/x/clusters/root:a:b/api/v1", true},
		"below a cluster":                 {Address{}, "b", "", false},
		"below all workspaces of a view":  {Address{Path: "/services/x/clusters/*"}, "b", "", false},
		"below something in a workspace ": {Address{Path: "/clusters/root:a/api"}, "b", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := c.address.For(c.below, "/api/v1")
			if got != c.want || ok != c.ok {
				t.Errorf("%q, %v", got, ok)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	ref := tenancyv1alpha1.ObjectReference{APIVersion: "mounts.example.org/v1", Kind: "KubeCluster", Name: "eu"}
	ready := Object{Mountable: true, Phase: "Ready", URL: "https://eu.example.org"}
	with := func(change func(*Object)) *Object {
		o := ready
		change(&o)
		return &o
	}
	type verdict struct{ Phase, Reason string }
	for name, c := range map[string]struct {
		facts Facts
		want  verdict
		says  string
	}{
		"ready":                    {Facts{Served: true, Object: &ready}, verdict{"Ready", ""}, ""},
		"ready again":              {Facts{Served: true, Object: &ready, Before: "Unavailable"}, verdict{"Ready", ""}, ""},
		"no such kind":             {Facts{Object: &ready}, verdict{"Initializing", "MountObjectNotFound"}, "no kind KubeCluster"},
		"no such object":           {Facts{Served: true}, verdict{"Initializing", "MountObjectNotFound"}, `"eu" not found`},
		"gone":                     {Facts{Served: true, Before: "Ready"}, verdict{"Unavailable", "MountObjectNotFound"}, `"eu" not found`},
		"too many kinds":           {Facts{Served: true, Limit: 20}, verdict{"Initializing", "MountTooManyKinds"}, "20 kinds"},
		"not meant for it":         {Facts{Served: true, Object: with(func(o *Object) { o.Mountable = false })}, verdict{"Initializing", "MountAnnotationInvalid"}, "is-mount=true"},
		"says nothing":             {Facts{Served: true, Object: with(func(o *Object) { o.Phase = "" })}, verdict{"Initializing", "MountObjectNotReady"}, `status.phase is ""`},
		"connecting":               {Facts{Served: true, Object: with(func(o *Object) { o.Phase = "Connecting" }), Before: "Scheduling"}, verdict{"Initializing", "MountObjectNotReady"}, "Connecting"},
		"connecting again":         {Facts{Served: true, Object: with(func(o *Object) { o.Phase = "Connecting" }), Before: "Ready"}, verdict{"Unavailable", "MountObjectNotReady"}, "Connecting"},
		"still connecting":         {Facts{Served: true, Object: with(func(o *Object) { o.Phase = "Connecting" }), Before: "Unavailable"}, verdict{"Unavailable", "MountObjectNotReady"}, "Connecting"},
		"an address that is none":  {Facts{Served: true, Object: with(func(o *Object) { o.URL = "http://secret.example.org" })}, verdict{"Initializing", "MountObjectInvalidURL"}, "https://"},
		"ready, without address":   {Facts{Served: true, Object: with(func(o *Object) { o.URL = "" }), Before: "Ready"}, verdict{"Unavailable", "MountObjectInvalidURL"}, "empty"},
		"a phase that is a novel ": {Facts{Served: true, Object: with(func(o *Object) { o.Phase = strings.Repeat("x", 1000) })}, verdict{"Initializing", "MountObjectNotReady"}, "xxx"},
	} {
		t.Run(name, func(t *testing.T) {
			c.facts.Reference, c.facts.HubURL = ref, hubURL
			got := Judge(c.facts)
			if diff := cmp.Diff(c.want, verdict{string(got.Phase), got.Condition.Reason}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Open != (c.want.Phase == "Ready") || !strings.Contains(got.Condition.Message, c.says) || len(got.Condition.Message) > 300 {
				t.Errorf("open %v: %s", got.Open, got.Condition.Message)
			}
			if strings.Contains(got.Condition.Message, "secret") {
				t.Errorf("D3: %s", got.Condition.Message)
			}
		})
	}
}

func TestObjectOf(t *testing.T) {
	for name, c := range map[string]struct {
		object map[string]any
		want   Object
	}{
		"complete": {map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{"experimental.tenancy.kcp.io/is-mount": "true"}},
			"status":   map[string]any{"phase": "Ready", "URL": "https://x"},
		}, Object{true, "Ready", "https://x"}},
		"annotated otherwise": {map[string]any{"metadata": map[string]any{"annotations": map[string]any{"experimental.tenancy.kcp.io/is-mount": "yes"}}}, Object{}},
		"of other types":      {map[string]any{"status": map[string]any{"phase": int64(1), "URL": []any{"x"}}}, Object{}},
		"status is a word":    {map[string]any{"status": "Ready"}, Object{}},
		"nothing":             {map[string]any{}, Object{}},
	} {
		if diff := cmp.Diff(c.want, ObjectOf(&unstructured.Unstructured{Object: c.object})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
