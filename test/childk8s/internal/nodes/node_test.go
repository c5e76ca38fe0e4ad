package nodes

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestNodeSaysWhereItIs(t *testing.T) {
	node := Template{ClusterName: "eu", Version: "v1.37.0", KubeletPort: 7002}.Node(1)
	want := map[string]string{
		"kubernetes.io/hostname":        "eu-node-2",
		"kubernetes.io/arch":            "amd64",
		"kubernetes.io/os":              "linux",
		"topology.kubernetes.io/region": "eu",
		"topology.kubernetes.io/zone":   "eu-2",
		"type":                          "kwok",
	}
	if diff := cmp.Diff(want, node.Labels); diff != "" {
		t.Error(diff)
	}
	if node.Name != "eu-node-2" || node.Status.NodeInfo.KubeletVersion != "v1.37.0" || node.Status.DaemonEndpoints.KubeletEndpoint.Port != 7002 {
		t.Errorf("node is %s of version %s at port %d", node.Name, node.Status.NodeInfo.KubeletVersion, node.Status.DaemonEndpoints.KubeletEndpoint.Port)
	}
}

func TestNotReadyReason(t *testing.T) {
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	lease := func(renewed time.Time) *coordinationv1.Lease {
		at := metav1.NewMicroTime(renewed)
		return &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{RenewTime: &at}}
	}
	node := func(ready corev1.ConditionStatus, taints ...string) *corev1.Node {
		n := Template{ClusterName: "eu"}.Node(0)
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}
		for _, taint := range taints {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: taint})
		}
		return n
	}
	fresh := lease(start.Add(time.Second))
	cases := []struct {
		name  string
		node  *corev1.Node
		lease *coordinationv1.Lease
		want  string
	}{
		{"ready", node(corev1.ConditionTrue), fresh, ""},
		{"ready with a taint of a user", node(corev1.ConditionTrue, "gpu"), fresh, ""},
		{"no lease", node(corev1.ConditionTrue), nil, "has not reported"},
		{"lease of an earlier start", node(corev1.ConditionTrue), lease(start.Add(-time.Second)), "has not reported"},
		{"not ready", node(corev1.ConditionFalse), fresh, "is not Ready"},
		{"no condition", Template{ClusterName: "eu"}.Node(0), fresh, "is not Ready"},
		{"still tainted", node(corev1.ConditionTrue, corev1.TaintNodeNotReady), fresh, "still has the taint"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := NotReadyReason(c.node, c.lease, start)
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestExecIsOnlyConfiguredWhenAllowed(t *testing.T) {
	for _, allow := range []bool{false, true} {
		if got := strings.Contains(kwokObjects("/pod.log", allow), "kind: ClusterExec"); got != allow {
			t.Errorf("allowed %v, configured %v", allow, got)
		}
	}
}
