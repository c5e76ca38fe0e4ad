package workspaces

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
)

func TestSettleLabels(t *testing.T) {
	x, y := corev1alpha1.LogicalClusterInitializer("root:x"), corev1alpha1.LogicalClusterTerminator("root:y")
	xKey, xValue := x.Label()
	yKey, yValue := y.Label()
	status := corev1alpha1.LogicalClusterStatus{
		Phase:        corev1alpha1.LogicalClusterPhaseInitializing,
		Initializers: []corev1alpha1.LogicalClusterInitializer{x}, Terminators: []corev1alpha1.LogicalClusterTerminator{y},
	}
	with := func(edit func(*corev1alpha1.LogicalClusterStatus)) corev1alpha1.LogicalClusterStatus {
		s := *status.DeepCopy()
		edit(&s)
		return s
	}
	for name, tc := range map[string]struct {
		labels   map[string]string
		status   corev1alpha1.LogicalClusterStatus
		deleting bool
		want     map[string]string
	}{
		"initializing": {nil, status, false, map[string]string{tenancyv1alpha1.PhaseLabel: "Initializing", xKey: xValue}},
		"deleted while initializing": {
			map[string]string{tenancyv1alpha1.PhaseLabel: "Initializing", xKey: xValue}, status, true,
			map[string]string{tenancyv1alpha1.PhaseLabel: "Terminating", yKey: yValue},
		},
		"ready": {
			map[string]string{tenancyv1alpha1.PhaseLabel: "Initializing", xKey: xValue},
			with(func(s *corev1alpha1.LogicalClusterStatus) { s.Initializers = nil }), false,
			map[string]string{tenancyv1alpha1.PhaseLabel: "Ready"},
		},
		"an initializer comes back": {
			nil, with(func(s *corev1alpha1.LogicalClusterStatus) { s.Phase = corev1alpha1.LogicalClusterPhaseReady }), false,
			map[string]string{tenancyv1alpha1.PhaseLabel: "Ready"},
		},
		"terminators are done": {
			map[string]string{tenancyv1alpha1.PhaseLabel: "Terminating", yKey: yValue},
			with(func(s *corev1alpha1.LogicalClusterStatus) { s.Terminators = nil }), true,
			map[string]string{tenancyv1alpha1.PhaseLabel: "Deleting"},
		},
		"labels of others stay, forged ones go": {
			map[string]string{"team": "a", corev1alpha1.InitializerLabelPrefix + "z": "z", corev1alpha1.TerminatorLabelPrefix + "z": "z", tenancyv1alpha1.PhaseLabel: "Ready"},
			status, false,
			map[string]string{"team": "a", tenancyv1alpha1.PhaseLabel: "Initializing", xKey: xValue},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := &corev1alpha1.LogicalCluster{Status: tc.status}
			cluster.Labels = tc.labels
			settle(cluster, tc.deleting, start)
			if diff := cmp.Diff(tc.want, cluster.Labels); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !settled(cluster, tc.deleting) {
				t.Error("settling twice changes something")
			}
		})
	}
}

func TestBegin(t *testing.T) {
	for name, tc := range map[string]struct {
		initializers []corev1alpha1.LogicalClusterInitializer
		used         bool
		phase        corev1alpha1.LogicalClusterPhaseType
		want         []corev1alpha1.LogicalClusterInitializer
	}{
		"no initializers":            {nil, false, "Ready", nil},
		"what the hub does itself":   {[]corev1alpha1.LogicalClusterInitializer{"root:universal"}, false, "Ready", nil},
		"others":                     {[]corev1alpha1.LogicalClusterInitializer{"root:universal", "abc:x", "system:apibindings"}, false, "Initializing", []corev1alpha1.LogicalClusterInitializer{"abc:x", "system:apibindings"}},
		"a workspace that was there": {[]corev1alpha1.LogicalClusterInitializer{"abc:x"}, true, "Ready", nil},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := &corev1alpha1.LogicalCluster{Spec: corev1alpha1.LogicalClusterSpec{
				Initializers: tc.initializers, Terminators: []corev1alpha1.LogicalClusterTerminator{"abc:y"},
			}}
			workspace := &tenancyv1alpha1.Workspace{}
			if tc.used {
				workspace.Status.Phase, workspace.Status.Terminators = "Ready", cluster.Spec.Terminators
			}
			begin(cluster, "https://hub", workspace, false, start)
			if cluster.Status.Phase != tc.phase || len(cluster.Status.Terminators) != 1 || cluster.Status.URL != "https://hub" {
				t.Errorf("status %+v", cluster.Status)
			}
			if diff := cmp.Diff(tc.want, cluster.Status.Initializers); diff != "" && len(tc.want)+len(cluster.Status.Initializers) > 0 {
				t.Errorf("initializers (-want +got):\n%s", diff)
			}
		})
	}
}
