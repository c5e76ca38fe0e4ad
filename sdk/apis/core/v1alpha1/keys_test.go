package v1alpha1

import "testing"

func TestIsReservedDomain(t *testing.T) {
	for domain, want := range map[string]bool{
		"kcp.io": true, "workload.kcp.io": true, "atrium.io": true, "k8s.io": true, "app.kubernetes.io": true,
		"": false, "io": false, "notkcp.io": false, "kcp.io.example.org": false, "example.org": false,
	} {
		if got := IsReservedDomain(domain); got != want {
			t.Errorf("%q: %v", domain, got)
		}
	}
}
