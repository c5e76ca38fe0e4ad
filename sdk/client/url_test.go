package client

import (
	"testing"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

func TestSplitURL(t *testing.T) {
	cases := map[string]struct {
		host, base string
		path       logicalcluster.Path
		ok         bool
	}{
		"root":              {"https://hub:6443/clusters/root", "https://hub:6443", "root", true},
		"deep":              {"https://hub:6443/clusters/root:org:team", "https://hub:6443", "root:org:team", true},
		"by ID":             {"https://hub:6443/clusters/2xk8p9f3a7c1d5e0", "https://hub:6443", "2xk8p9f3a7c1d5e0", true},
		"system":            {"https://hub:6443/clusters/system:admin", "https://hub:6443", "system:admin", true},
		"all":               {"https://hub:6443/clusters/*", "https://hub:6443", "*", true},
		"trailing slash":    {"https://hub:6443/clusters/root/", "https://hub:6443", "root", true},
		"hub below a path":  {"https://lb.example/atrium/clusters/root", "https://lb.example/atrium", "root", true},
		"view":              {"https://hub/services/apiexport/root/x/clusters/*", "https://hub/services/apiexport/root/x", "*", true},
		"IPv6":              {"https://[::1]:6443/clusters/root:a", "https://[::1]:6443", "root:a", true},
		"no workspace":      {host: "https://hub:6443"},
		"another cluster":   {host: "https://hub:6443/k8s/clusters2/root"},
		"nested":            {host: "https://hub:6443/clusters/a/clusters/b"},
		"more behind it":    {host: "https://hub:6443/clusters/root/api"},
		"dots":              {host: "https://hub:6443/clusters/.."},
		"encoded slash":     {host: "https://hub:6443/clusters/a%2Fb"},
		"upper case":        {host: "https://hub:6443/clusters/Root"},
		"query":             {host: "https://hub:6443/clusters/root?x=y"},
		"nothing behind it": {host: "https://hub:6443/clusters/"},
		"empty":             {host: ""},
		"not a URL":         {host: "https://hub:port/clusters/root"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			base, path, ok := SplitURL(tc.host)
			if base != tc.base || path != tc.path || ok != tc.ok {
				t.Errorf("SplitURL(%q) = %q, %q, %v; want %q, %q, %v", tc.host, base, path, ok, tc.base, tc.path, tc.ok)
			}
			if !ok {
				return
			}
			if b, p, ok := SplitURL(WorkspaceURL(base, path)); b != base || p != path || !ok {
				t.Errorf("there and back: %q, %q, %v", b, p, ok)
			}
		})
	}
}
