package schemas

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	noon  = metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	later = metav1.NewTime(noon.Add(time.Minute))
)

// A definition is accepted in one step and established in the next, after
// which nothing changes any more.
func TestStatusReachesEstablishedInTwoSteps(t *testing.T) {
	crd := gadgets()
	var steps []string
	for range 4 {
		status := Status(crd, nil, noon)
		if SameStatus(&crd.Status, &status) {
			break
		}
		crd.Status = status
		steps = append(steps, summary(&status))
	}
	want := []string{
		"NamesAccepted=True(NoConflicts) Established=False(Installing)",
		"NamesAccepted=True(NoConflicts) Established=True(InitialNamesAccepted)",
	}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestStatus(t *testing.T) {
	taken := Claim{Group: "example.io", Owner: "somebody", Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: "Gadget"}}
	for name, tc := range map[string]struct {
		crd    *apiextensionsv1.CustomResourceDefinition
		claims []Claim
		want   string
	}{
		"refused": {
			crd: gadgets(), claims: []Claim{taken},
			want: "NamesAccepted=False(KindConflict) Established=False(NotAccepted)",
		},
		"renamed to a taken kind stays established": {
			crd: func() *apiextensionsv1.CustomResourceDefinition {
				crd := accepted(gadgets())
				crd.Status.AcceptedNames.Kind = "Old"
				return crd
			}(),
			claims: []Claim{taken},
			want:   "NamesAccepted=False(KindConflict) Established=True(InitialNamesAccepted)",
		},
		"kind freed": {
			crd: func() *apiextensionsv1.CustomResourceDefinition {
				crd := gadgets()
				crd.Status = Status(crd, []Claim{taken}, noon)
				return crd
			}(),
			want: "NamesAccepted=True(NoConflicts) Established=False(Installing)",
		},
		"bad CA bundle": {
			crd: func() *apiextensionsv1.CustomResourceDefinition {
				crd := gadgets()
				crd.Status = Status(crd, nil, noon)
				crd.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{
					Strategy: apiextensionsv1.WebhookConverter,
					Webhook:  &apiextensionsv1.WebhookConversion{ClientConfig: &apiextensionsv1.WebhookClientConfig{CABundle: []byte("nonsense")}},
				}
				return crd
			}(),
			want: "NamesAccepted=True(NoConflicts) Established=False(InvalidCABundle)",
		},
		"protected group": {
			crd: gadgets(func(c *apiextensionsv1.CustomResourceDefinition) {
				c.Name, c.Spec.Group = "gadgets.x.k8s.io", "x.k8s.io"
				c.Annotations = map[string]string{apiextensionsv1.KubeAPIApprovedAnnotation: "unapproved, experiment"}
			}),
			want: "NamesAccepted=True(NoConflicts) Established=False(Installing) KubernetesAPIApprovalPolicyConformant=False(UnapprovedAnnotation)",
		},
		"preserves unknown fields": {
			crd:  gadgets(func(c *apiextensionsv1.CustomResourceDefinition) { c.Spec.PreserveUnknownFields = true }),
			want: "NamesAccepted=True(NoConflicts) Established=False(Installing) NonStructuralSchema=True(Violations)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Status(tc.crd, tc.claims, later)
			if diff := cmp.Diff(tc.want, summary(&got)); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
		})
	}
}

// Conditions that hold no longer are taken away, and times move only with the
// status.
func TestStatusMends(t *testing.T) {
	crd := gadgets(func(c *apiextensionsv1.CustomResourceDefinition) { c.Spec.PreserveUnknownFields = true })
	crd.Status = Status(crd, nil, noon)
	crd.Spec.PreserveUnknownFields = false
	got := Status(crd, nil, later)
	if want := "NamesAccepted=True(NoConflicts) Established=True(InitialNamesAccepted)"; summary(&got) != want {
		t.Errorf("conditions %s, want %s", summary(&got), want)
	}
	for _, c := range got.Conditions {
		if want := map[apiextensionsv1.CustomResourceDefinitionConditionType]metav1.Time{
			apiextensionsv1.NamesAccepted: noon, apiextensionsv1.Established: later,
		}[c.Type]; !c.LastTransitionTime.Equal(&want) {
			t.Errorf("%s changed at %v, want %v", c.Type, c.LastTransitionTime, want)
		}
	}
}

func TestApproval(t *testing.T) {
	for annotation, want := range map[string]string{
		"":                            "MissingAnnotation",
		"unapproved, just for us":     "UnapprovedAnnotation",
		"https://github.com/k/k/pull": "ApprovedAnnotation",
		"sure":                        "InvalidAnnotation",
	} {
		crd := gadgets(func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Spec.Group = "x.kubernetes.io"
			c.Annotations = map[string]string{apiextensionsv1.KubeAPIApprovedAnnotation: annotation}
		})
		if got := Approval(crd); got == nil || got.Reason != want {
			t.Errorf("annotation %q: %v, want %s", annotation, got, want)
		}
	}
	if got := Approval(gadgets()); got != nil {
		t.Errorf("unprotected group: %v", got)
	}
}

func TestTerminatingStatus(t *testing.T) {
	got := TerminatingStatus(accepted(gadgets()), apiextensionsv1.ConditionTrue, "InstanceDeletionInProgress", "waiting", noon)
	if !strings.HasSuffix(summary(&got), "Terminating=True(InstanceDeletionInProgress)") {
		t.Errorf("conditions %s", summary(&got))
	}
}

// summary is "Type=Status(Reason)" of each condition.
func summary(status *apiextensionsv1.CustomResourceDefinitionStatus) string {
	var parts []string
	for _, c := range status.Conditions {
		parts = append(parts, string(c.Type)+"="+string(c.Status)+"("+c.Reason+")")
	}
	return strings.Join(parts, " ")
}
