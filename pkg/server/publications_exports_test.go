package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// publishGizmos publishes an export of the workspace at path to itself and all
// below.
func publishGizmos(t *testing.T, hub *client.Hub, path logicalcluster.Path, change ...func(*publicationv1alpha1.APIPublicationSpec)) {
	t.Helper()
	publication := &publicationv1alpha1.APIPublication{ObjectMeta: metav1.ObjectMeta{Name: "gizmos"}}
	publication.Spec.Export.Name, publication.Spec.Subtree = "gizmos", path.String()
	for _, c := range change {
		c(&publication.Spec)
	}
	must(client.APIPublications(hub, path).Create(t.Context(), publication, metav1.CreateOptions{}))(t)
}

// TestPublishingWhatIsTaken: where something else has the name the publication
// says so, with the workspace and the reason, and binds as soon as it is free.
func TestPublishingWhatIsTaken(t *testing.T) {
	const group = "taken.example.io"
	ctx := minute(t)
	org, _ := newWorkspace(t)
	own := under(t, org, "own", nil)
	alice := withToken(t, "alice-token")
	createDefinition(ctx, t, alice, own, group)
	publish(ctx, t, alice, org, "gizmos", gizmoSchemaOf("v1", group))
	publishGizmos(t, alice, org)
	publication := awaitCountsIn(t, org, "gizmos", "matched 2, bound 1, conflicting 1")
	want := publicationv1alpha1.PublicationExample{Workspace: own.String(), State: publicationv1alpha1.PublicationConflicting}
	if got := publication.Status.Examples; len(got) != 1 || got[0].Workspace != want.Workspace || got[0].State != want.State || !strings.Contains(got[0].Message, "gizmos") {
		t.Errorf("examples %+v", got)
	}
	if err := definitionsAt(t, alice, own).Delete(ctx, "gizmos."+group, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitCountsIn(t, org, "gizmos", "matched 2, bound 2")
	later := under(t, org, "later", nil)
	if _, err := gizmosAt(alice, later, group).Create(ctx, newGizmo(group, "first", 1), metav1.CreateOptions{}); err != nil {
		t.Errorf("ready and not usable: %v", err)
	}
	// What is unbound is gone.
	if err := client.APIPublications(alice, org).Delete(ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitNoBinding(t, later)
	publishAgain := func() error {
		_, err := client.APIPublications(alice, org).Get(ctx, "gizmos", metav1.GetOptions{})
		if err == nil {
			return errors.New("still there")
		}
		return nil
	}
	await(ctx, t, "the publication is gone", publishAgain)
	publishGizmos(t, alice, org)
	awaitCountsIn(t, org, "gizmos", "matched 3, bound 3")
	list := must(gizmosAt(alice, later, group).List(ctx, metav1.ListOptions{}))(t)
	if len(list.Items) != 0 {
		t.Errorf("%d gizmos have come back", len(list.Items))
	}
}

// TestPublishedClaims: consumers accept what the publication says and nothing else,
// also when the export claims more later or a consumer thinks otherwise.
func TestPublishedClaims(t *testing.T) {
	const group = "claiming.example.io"
	ctx := minute(t)
	org, _ := newWorkspace(t)
	team := under(t, org, "team", nil)
	alice := withToken(t, "alice-token")
	export := publish(ctx, t, alice, org, "gizmos", gizmoSchemaOf("v1", group))
	claiming := func(resources ...string) {
		t.Helper()
		var claims []string
		for _, resource := range resources {
			claims = append(claims, fmt.Sprintf(`{"group":"","resource":%q,"verbs":["*"]}`, resource))
		}
		patch := `{"spec":{"permissionClaims":[` + strings.Join(claims, ",") + `]}}`
		must(client.APIExports(alice, org).Patch(ctx, export.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}))(t)
	}
	claiming("configmaps", "secrets")
	publishGizmos(t, alice, org, func(s *publicationv1alpha1.APIPublicationSpec) {
		s.AcceptedPermissionClaims = []publicationv1alpha1.AcceptedPermissionClaim{{
			GroupResource: apisv1alpha2.GroupResource{Resource: "configmaps"}, Verbs: []string{"get", "list"},
		}}
	})
	answers := func(want ...string) *apisv1alpha2.APIBinding {
		t.Helper()
		return bindingOf(t, team, func(b *apisv1alpha2.APIBinding) error {
			var got []string
			for _, c := range b.Spec.PermissionClaims {
				got = append(got, fmt.Sprintf("%s %s %v", c.State, c.Resource, c.Verbs))
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("%v, want %v", got, want)
			}
			return nil
		})
	}
	binding := answers("Accepted configmaps [get list]", "Rejected secrets [*]")
	awaitCountsIn(t, org, "gizmos", "matched 2, bound 2")
	// A consumer who gives more away, or less.
	swapped := []byte(`[{"op":"replace","path":"/spec/permissionClaims/0/state","value":"Rejected"},{"op":"replace","path":"/spec/permissionClaims/1/state","value":"Accepted"}]`)
	must(client.APIBindings(alice, team).Patch(ctx, binding.Name, types.JSONPatchType, swapped, metav1.PatchOptions{}))(t)
	answers("Accepted configmaps [get list]", "Rejected secrets [*]")
	// An export that wants more.
	claiming("configmaps", "secrets", "serviceaccounts")
	answers("Accepted configmaps [get list]", "Rejected secrets [*]", "Rejected serviceaccounts [*]")
	// And an author who accepts more.
	patch := `{"spec":{"acceptedPermissionClaims":null,"acceptAllPermissionClaims":true}}`
	must(client.APIPublications(alice, org).Patch(ctx, "gizmos", types.MergePatchType, []byte(patch), metav1.PatchOptions{}))(t)
	answers("Accepted configmaps [*]", "Accepted secrets [*]", "Accepted serviceaccounts [*]")
}

// TestPublicationsOfTheSameResource: of two exports the one that was there first is
// bound, and when it goes the other one is.
func TestPublicationsOfTheSameResource(t *testing.T) {
	const group = "rivals.example.io"
	ctx := minute(t)
	org, _ := newWorkspace(t)
	rival := under(t, org, "rival", nil)
	alice := withToken(t, "alice-token")
	publish(ctx, t, alice, org, "gizmos", gizmoSchemaOf("v1", group))
	publish(ctx, t, alice, rival, "gizmos", gizmoSchemaOf("v1", group))
	publishGizmos(t, alice, org)
	awaitCountsIn(t, org, "gizmos", "matched 2, bound 2")
	publishGizmos(t, alice, rival)
	awaitCountsIn(t, rival, "gizmos", "matched 1, bound 0, conflicting 1")
	if got := bindingsIn(t, rival); len(got) != 1 {
		t.Errorf("bindings %v", got)
	}
	if err := client.APIPublications(alice, org).Delete(ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitCountsIn(t, rival, "gizmos", "matched 1, bound 1")
}
