package cliatrium

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	workloadv1alpha1 "github.com/atriumhub/atrium/sdk/apis/workload/v1alpha1"
)

func TestIsFormer(t *testing.T) {
	id := func(name string, uid types.UID) string {
		return syncerID(&workloadv1alpha1.SyncTarget{ObjectMeta: metav1.ObjectMeta{Name: name, UID: uid}})
	}
	now := &agent{id: id("eu", "2"), target: &workloadv1alpha1.SyncTarget{ObjectMeta: metav1.ObjectMeta{Name: "eu", UID: "2"}}}
	for name, c := range map[string]struct {
		id   string
		want bool
	}{
		"the agent itself":            {id("eu", "2"), false},
		"a former one":                {id("eu", "1"), true},
		"another target's":            {id("us", "1"), false},
		"a target with a longer name": {id("eu-west", "1"), false},
		"something else":              {"kcp-syncer-eu-admin", false},
		"cluster-admin":               {"cluster-admin", false},
	} {
		if got := isFormer(c.id, now); got != c.want {
			t.Errorf("%s (%s): %v", name, c.id, got)
		}
	}
}
