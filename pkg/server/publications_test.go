package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const compute = logicalcluster.Path("root:compute")

// under makes a workspace in another that alice administers, with labels, and waits
// until it is open.
func under(t *testing.T, parent logicalcluster.Path, name string, labels map[string]string) logicalcluster.Path {
	t.Helper()
	workspaces := client.Workspaces(withToken(t, "alice-token"), parent)
	if _, err := workspaces.Create(t.Context(), &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(minute(t), t, name+" is ready", func() error {
		workspace, err := workspaces.Get(t.Context(), name, metav1.GetOptions{})
		if err == nil && workspace.Status.Phase != corev1alpha1.LogicalClusterPhaseReady {
			err = errors.New(string(workspace.Status.Phase))
		}
		return err
	})
	return parent.Join(name)
}

// publishing publishes root:compute:kubernetes, in the name of the hub's
// administrator, until the test ends.
func publishing(t *testing.T, subtree logicalcluster.Path, change ...func(*publicationv1alpha1.APIPublicationSpec)) string {
	t.Helper()
	publications := client.APIPublications(as(t, "base"), compute)
	publication := &publicationv1alpha1.APIPublication{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "compute-"},
		Spec: publicationv1alpha1.APIPublicationSpec{
			Export: publicationv1alpha1.LocalExportReference{Name: "kubernetes"}, Subtree: subtree.String(),
		},
	}
	for _, c := range change {
		c(&publication.Spec)
	}
	made := must(publications.Create(t.Context(), publication, metav1.CreateOptions{}))(t)
	t.Cleanup(func() {
		if err := publications.Delete(context.WithoutCancel(t.Context()), made.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	return made.Name
}

// awaitCounts waits for a status in the form "matched 2, bound 1, pending 1".
func awaitCounts(t *testing.T, name, want string) *publicationv1alpha1.APIPublication {
	t.Helper()
	return awaitCountsIn(t, compute, name, want)
}

func awaitCountsIn(t *testing.T, in logicalcluster.Path, name, want string) (publication *publicationv1alpha1.APIPublication) {
	t.Helper()
	publications := client.APIPublications(as(t, "base"), in)
	await(minute(t), t, "counts of "+name, func() (err error) {
		publication, err = publications.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if got := countsOf(publication.Status); got != want || publication.Status.ObservedGeneration != publication.Generation {
			return fmt.Errorf("%s of generation %d, want %s of %d; %v", got, publication.Status.ObservedGeneration, want, publication.Generation, publication.Status.Examples)
		}
		return nil
	})
	return publication
}

func countsOf(status publicationv1alpha1.APIPublicationStatus) string {
	text := fmt.Sprintf("matched %d, bound %d", status.Matched, status.Bound)
	for _, part := range []struct {
		n    int64
		what string
	}{{status.Pending, "pending"}, {status.Conflicting, "conflicting"}, {status.Failed, "failed"}} {
		if part.n != 0 {
			text += fmt.Sprintf(", %s %d", part.what, part.n)
		}
	}
	return text
}

// bindingsIn returns the bindings of a workspace by name, each with the publication
// that it says it is of.
func bindingsIn(t *testing.T, path logicalcluster.Path) map[string]string {
	t.Helper()
	list := must(client.APIBindings(as(t, "base"), path).List(t.Context(), metav1.ListOptions{}))(t)
	found := map[string]string{}
	for _, binding := range list.Items {
		if at := binding.Annotations["kcp.io/path"]; at != path.String() {
			t.Errorf("APIBinding %s says that it is in %q, want %q", binding.Name, at, path)
		}
		found[binding.Name] = binding.Annotations[publicationv1alpha1.PublicationAnnotationKey]
	}
	return found
}

// bindingOf waits for the only binding of a workspace to be what check says.
func bindingOf(t *testing.T, path logicalcluster.Path, check func(*apisv1alpha2.APIBinding) error) (binding *apisv1alpha2.APIBinding) {
	t.Helper()
	await(minute(t), t, "the binding of "+path.String(), func() error {
		list, err := client.APIBindings(as(t, "base"), path).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		if len(list.Items) != 1 {
			return fmt.Errorf("%d bindings", len(list.Items))
		}
		binding = &list.Items[0]
		return check(binding)
	})
	return binding
}

func awaitNoBinding(t *testing.T, path logicalcluster.Path) {
	t.Helper()
	await(minute(t), t, "no binding in "+path.String(), func() error {
		if found := bindingsIn(t, path); len(found) > 0 {
			return fmt.Errorf("bindings %v", found)
		}
		return nil
	})
}

func serves(t *testing.T, path logicalcluster.Path) error {
	t.Helper()
	_, err := withToken(t, "alice-token").Kubernetes(path).AppsV1().Deployments("default").List(t.Context(), metav1.ListOptions{})
	return err
}

// TestPublishing: one object binds in the workspaces that exist, also deep ones, and
// in those that are made later, which are bound when they are ready.
func TestPublishing(t *testing.T) {
	org, _ := newWorkspace(t)
	first := under(t, org, "first", nil)
	deep := under(t, first, "deep", nil)
	outside, _ := newWorkspace(t)
	name := publishing(t, org)
	publication := awaitCounts(t, name, "matched 3, bound 3")
	for _, condition := range []conditionsv1alpha1.ConditionType{"Ready", publicationv1alpha1.PublicationComplete} {
		if !conditionsv1alpha1.IsTrue(publication.Status.Conditions, condition) {
			t.Errorf("condition %s: %+v", condition, publication.Status.Conditions)
		}
	}
	for _, path := range []logicalcluster.Path{org, first, deep} {
		if err := serves(t, path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if got := slices.Collect(maps.Values(bindingsIn(t, path))); len(got) != 1 || got[0] != "root:compute:"+name {
			t.Errorf("%s says %v", path, got)
		}
	}
	if got := bindingsIn(t, outside); len(got) != 0 {
		t.Errorf("outside: %v", got)
	}
	for i := range 5 {
		later := under(t, deep, fmt.Sprintf("later%d", i), nil)
		if err := serves(t, later); err != nil {
			t.Fatalf("ready and not bound: %v", err)
		}
	}
	awaitCounts(t, name, "matched 8, bound 8")
}

// TestPublishingWaitsForNobody: what cannot be bound keeps no workspace closed.
func TestPublishingWaitsForNobody(t *testing.T) {
	org, _ := newWorkspace(t)
	alice := withToken(t, "alice-token")
	made := must(client.APIPublications(alice, org).Create(t.Context(), &publicationv1alpha1.APIPublication{
		ObjectMeta: metav1.ObjectMeta{Name: "void"},
		Spec:       publicationv1alpha1.APIPublicationSpec{Export: publicationv1alpha1.LocalExportReference{Name: "void"}, Subtree: org.String()},
	}, metav1.CreateOptions{}))(t)
	publication := awaitCountsIn(t, org, made.Name, "matched 1, bound 0, pending 1")
	if c := conditionsv1alpha1.Get(publication.Status.Conditions, "Ready"); c == nil || c.Reason != publicationv1alpha1.PublicationExportNotFoundReason {
		t.Errorf("conditions %+v", publication.Status.Conditions)
	}
	under(t, org, "child", nil)
	awaitCountsIn(t, org, made.Name, "matched 2, bound 0, pending 2")
	// And as soon as there is one, it is bound: without resources that is easy.
	must(client.APIExports(alice, org).Create(t.Context(), &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "void"}}, metav1.CreateOptions{}))(t)
	awaitCountsIn(t, org, made.Name, "matched 2, bound 2")
}

func TestPublishingBySelector(t *testing.T) {
	org, _ := newWorkspace(t)
	gold := under(t, org, "gold", map[string]string{"tier": "gold"})
	plain := under(t, org, "plain", nil)
	name := publishing(t, org, func(s *publicationv1alpha1.APIPublicationSpec) {
		s.WorkspaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}
	})
	awaitCounts(t, name, "matched 1, bound 1")
	if err := serves(t, gold); err != nil {
		t.Error(err)
	}
	workspaces := client.Workspaces(withToken(t, "alice-token"), org)
	relabelled := func(name, patch string) {
		t.Helper()
		if _, err := workspaces.Patch(t.Context(), name, types.MergePatchType, []byte(`{"metadata":{"labels":`+patch+`}}`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	relabelled("plain", `{"tier":"gold"}`)
	awaitCounts(t, name, "matched 2, bound 2")
	relabelled("gold", `{"tier":null}`)
	awaitCounts(t, name, "matched 1, bound 1")
	awaitNoBinding(t, gold)
	// And back by the selector.
	publications := client.APIPublications(as(t, "base"), compute)
	patch := `{"spec":{"workspaceSelector":{"matchLabels":null,"matchExpressions":[{"key":"tier","operator":"DoesNotExist"}]}}}`
	if _, err := publications.Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitCounts(t, name, "matched 2, bound 2") // the root of the subtree and gold
	awaitNoBinding(t, plain)
	if err := workspaces.Delete(t.Context(), "gold", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitCounts(t, name, "matched 1, bound 1")
}

func TestPublicationsComeBack(t *testing.T) {
	org, _ := newWorkspace(t)
	name := publishing(t, org)
	awaitCounts(t, name, "matched 1, bound 1")
	mine := client.APIBindings(withToken(t, "alice-token"), org)
	first := bindingOf(t, org, func(*apisv1alpha2.APIBinding) error { return nil })
	if err := mine.Delete(t.Context(), first.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	again := bindingOf(t, org, func(b *apisv1alpha2.APIBinding) error {
		if b.UID == first.UID || b.Status.Phase != apisv1alpha2.APIBindingPhaseBound {
			return errors.New("not back")
		}
		return nil
	})
	// Claims are the publication's.
	if _, err := mine.Patch(t.Context(), again.Name, types.MergePatchType, []byte(`{"spec":{"permissionClaims":[
		{"resource":"secrets","verbs":["*"],"selector":{"matchAll":true},"state":"Accepted"}]}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	bindingOf(t, org, func(b *apisv1alpha2.APIBinding) error {
		if len(b.Spec.PermissionClaims) > 0 {
			return fmt.Errorf("claims %+v", b.Spec.PermissionClaims)
		}
		return nil
	})
}

func TestPublishedOnce(t *testing.T) {
	org, _ := newWorkspace(t)
	child := under(t, org, "child", nil)
	name := publishing(t, org, func(s *publicationv1alpha1.APIPublicationSpec) {
		s.Lifecycle = publicationv1alpha1.PublicationInitializeOnly
	})
	awaitCounts(t, name, "matched 2, bound 2")
	mine := client.APIBindings(withToken(t, "alice-token"), child)
	binding := bindingOf(t, child, func(*apisv1alpha2.APIBinding) error { return nil })
	await(minute(t), t, "the turn is noted", func() error {
		cluster, err := client.LogicalClusters(as(t, "base"), child).Get(t.Context(), "cluster", metav1.GetOptions{})
		if err == nil && cluster.Annotations[publicationv1alpha1.InitializedAnnotationKey] == "" {
			err = errors.New("no annotation")
		}
		return err
	})
	if err := mine.Delete(t.Context(), binding.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitNoBinding(t, child)
	awaitCounts(t, name, "matched 1, bound 1")
	// Whatever else happens, it does not come back.
	patch := `{"spec":{"acceptAllPermissionClaims":true}}`
	if _, err := client.APIPublications(as(t, "base"), compute).Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitCounts(t, name, "matched 1, bound 1")
	if got := bindingsIn(t, child); len(got) != 0 {
		t.Errorf("it came back: %v", got)
	}
}

func TestPublicationsAreWithdrawn(t *testing.T) {
	for _, c := range []struct {
		withdrawal publicationv1alpha1.PublicationWithdrawal
		left       int
	}{{publicationv1alpha1.PublicationUnbind, 0}, {publicationv1alpha1.PublicationLeave, 1}} {
		t.Run(string(c.withdrawal), func(t *testing.T) {
			org, _ := newWorkspace(t)
			own := under(t, org, "own", nil)
			resting := under(t, org, "resting", nil)
			mine := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}
			mine.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Path: compute.String(), Name: "kubernetes"}
			must(client.APIBindings(withToken(t, "alice-token"), own).Create(t.Context(), mine, metav1.CreateOptions{}))(t)
			name := publishing(t, org, func(s *publicationv1alpha1.APIPublicationSpec) { s.Withdrawal = c.withdrawal })
			awaitCounts(t, name, "matched 3, bound 3")
			if got := bindingsIn(t, own); !maps.Equal(got, map[string]string{"mine": ""}) {
				t.Errorf("somebody's own binding: %v", got)
			}
			rest := []byte(`{"metadata":{"annotations":{"core.kcp.io/inactive":"true"}}}`)
			must(client.LogicalClusters(withToken(t, "alice-token"), resting).Patch(t.Context(), "cluster", types.MergePatchType, rest, metav1.PatchOptions{}))(t)
			awaitCounts(t, name, "matched 2, bound 2")
			publications := client.APIPublications(as(t, "base"), compute)
			if err := publications.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			await(minute(t), t, "the publication is gone", func() error {
				_, err := publications.Get(t.Context(), name, metav1.GetOptions{})
				if apierrors.IsNotFound(err) {
					return nil
				}
				return fmt.Errorf("still there (%v)", err)
			})
			hub := as(t, "shard-base") // who may look into one that rests
			for _, path := range []logicalcluster.Path{org, resting} {
				list := must(client.APIBindings(hub, path).List(t.Context(), metav1.ListOptions{}))(t)
				if len(list.Items) != c.left {
					t.Errorf("%s has %d bindings", path, len(list.Items))
				}
				for _, b := range list.Items {
					if b.Labels[publicationv1alpha1.PublicationIDLabel] != "" || b.Annotations[publicationv1alpha1.PublicationAnnotationKey] != "" {
						t.Errorf("still marked: %+v", b.ObjectMeta)
					}
				}
			}
			if got := bindingsIn(t, own); !maps.Equal(got, map[string]string{"mine": ""}) {
				t.Errorf("somebody's own binding: %v", got)
			}
		})
	}
}

// TestPublicationsOverlap: two of one export need one binding, and when one goes
// nothing is unbound where the other is for.
func TestPublicationsOverlap(t *testing.T) {
	org, _ := newWorkspace(t)
	team := under(t, org, "team", nil)
	wide, narrow := publishing(t, org), publishing(t, team)
	awaitCounts(t, wide, "matched 2, bound 2")
	awaitCounts(t, narrow, "matched 1, bound 1")
	binding := bindingOf(t, team, func(*apisv1alpha2.APIBinding) error { return nil })
	if err := client.APIPublications(as(t, "base"), compute).Delete(t.Context(), wide, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitNoBinding(t, org)
	bindingOf(t, team, func(b *apisv1alpha2.APIBinding) error {
		if b.UID != binding.UID || b.Annotations[publicationv1alpha1.PublicationAnnotationKey] != "root:compute:"+narrow {
			return fmt.Errorf("binding %+v", b.ObjectMeta)
		}
		return nil
	})
	awaitCounts(t, narrow, "matched 1, bound 1")
}

// TestTheSubtreeIsTheOneThatWasMeant: who gets the path of a workspace that is gone
// is not published to.
func TestTheSubtreeIsTheOneThatWasMeant(t *testing.T) {
	org, _ := newWorkspace(t)
	child := under(t, org, "child", nil)
	name := publishing(t, child)
	awaitCounts(t, name, "matched 1, bound 1")
	workspaces := client.Workspaces(withToken(t, "alice-token"), org)
	if err := workspaces.Delete(t.Context(), "child", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(minute(t), t, "the workspace is gone", func() error {
		_, err := workspaces.Get(t.Context(), "child", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("still there (%v)", err)
	})
	under(t, org, "child", nil)
	publications := client.APIPublications(as(t, "base"), compute)
	says := func(reason string) {
		t.Helper()
		await(minute(t), t, "the subtree is another one", func() error {
			publication, err := publications.Get(t.Context(), name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			for _, condition := range []conditionsv1alpha1.ConditionType{publicationv1alpha1.PublicationSubtreeValid, publicationv1alpha1.PublicationComplete} {
				if c := conditionsv1alpha1.Get(publication.Status.Conditions, condition); c == nil || c.Status != "False" || c.Reason != reason || publication.Status.Matched != 0 {
					return fmt.Errorf("status %+v", publication.Status)
				}
			}
			return nil
		})
	}
	says(publicationv1alpha1.PublicationSubtreeReplacedReason)
	if got := bindingsIn(t, child); len(got) != 0 {
		t.Errorf("bindings %v", got)
	}
	// Nobody can say otherwise by hand, and to change a label is not to write it anew.
	patch := `{"metadata":{"labels":{"a":"b"},"annotations":{"apis.atrium.io/subtree-id":"` + mustID(t, child).String() + `"}}}`
	must(publications.Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}))(t)
	says(publicationv1alpha1.PublicationSubtreeReplacedReason)
	patch = `{"spec":{"acceptAllPermissionClaims":true}}`
	must(publications.Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}))(t)
	awaitCounts(t, name, "matched 1, bound 1")
}

func mustID(t *testing.T, path logicalcluster.Path) logicalcluster.Name {
	t.Helper()
	entry, ok := shared.hub.directory.Resolve(path)
	if !ok {
		t.Fatalf("%s does not resolve", path)
	}
	return entry.Name
}

// TestWhoMayPublish: bob, who administers a workspace of his own, publishes to it,
// to what is below, and to whoever lets him.
func TestWhoMayPublish(t *testing.T) {
	mine := customers(t)
	theirs, _ := newWorkspace(t)
	below := under(t, theirs, "below", nil)
	bob := withToken(t, "bob-token")
	must(client.APIExports(bob, mine).Create(t.Context(), &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "void"}}, metav1.CreateOptions{}))(t)
	publish := func(subtree logicalcluster.Path) error {
		_, err := client.APIPublications(bob, mine).Create(t.Context(), &publicationv1alpha1.APIPublication{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "p-"},
			Spec: publicationv1alpha1.APIPublicationSpec{
				Export: publicationv1alpha1.LocalExportReference{Name: "void"}, Subtree: subtree.String(),
			},
		}, metav1.CreateOptions{})
		return err
	}
	forbidden := publish(theirs)
	if !apierrors.IsForbidden(forbidden) || !strings.Contains(forbidden.Error(), `the verb "publish"`) {
		t.Fatalf("to somebody else's: %v", forbidden)
	}
	text := func(err error, subtree logicalcluster.Path) string {
		return strings.ReplaceAll(err.Error()[strings.Index(err.Error(), "no permission"):], subtree.String(), "PATH")
	}
	for _, other := range []logicalcluster.Path{"root", "root:users", compute, below, "root:nobody-has-this", theirs.Join("nothing"), mustID(t, theirs).Path()} {
		err := publish(other)
		if !apierrors.IsForbidden(err) || text(err, other) != text(forbidden, theirs) {
			t.Errorf("to %s: %v", other, err)
		}
	}
	if err := publish(mine); err != nil {
		t.Errorf("to his own: %v", err)
	}
	grant(t, withToken(t, "alice-token"), theirs, "publishers", []rbacv1.PolicyRule{{
		APIGroups: []string{"core.kcp.io"}, Resources: []string{"logicalclusters"}, ResourceNames: []string{"cluster"}, Verbs: []string{"publish"},
	}}, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "bob"})
	await(minute(t), t, "bob may publish", func() error { return publish(theirs) })
	bindingOf(t, below, func(b *apisv1alpha2.APIBinding) error { return nil })
	if err := publish(below); !apierrors.IsForbidden(err) {
		t.Errorf("to one below, where he has no role: %v", err)
	}

	// Who may write publications but not bind the export cannot publish it.
	grant(t, bob, mine, "writers", []rbacv1.PolicyRule{
		{APIGroups: []string{"apis.atrium.io"}, Resources: []string{"apipublications"}, Verbs: []string{"*"}},
		{APIGroups: []string{"core.kcp.io"}, Resources: []string{"logicalclusters"}, Verbs: []string{"publish"}},
		{NonResourceURLs: []string{"/"}, Verbs: []string{"access"}},
	}, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "alice"})
	await(minute(t), t, "alice is told why", func() error {
		_, err := client.APIPublications(withToken(t, "alice-token"), mine).Create(t.Context(), &publicationv1alpha1.APIPublication{
			ObjectMeta: metav1.ObjectMeta{Name: "stolen"},
			Spec:       publicationv1alpha1.APIPublicationSpec{Export: publicationv1alpha1.LocalExportReference{Name: "void"}, Subtree: mine.String()},
		}, metav1.CreateOptions{})
		if err == nil || !strings.Contains(err.Error(), `the verb "bind"`) {
			return fmt.Errorf("error %v", err)
		}
		return nil
	})
}

// TestMarksAreTheHubs: a tenant can not make a binding look like that of a
// publication, nor one of a publication look like his own.
func TestMarksAreTheHubs(t *testing.T) {
	org, _ := newWorkspace(t)
	name := publishing(t, org)
	awaitCounts(t, name, "matched 1, bound 1")
	alice := client.APIBindings(withToken(t, "alice-token"), org)
	binding := bindingOf(t, org, func(*apisv1alpha2.APIBinding) error { return nil })

	forged := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{
		Name: "forged", Labels: map[string]string{"mine": "yes", publicationv1alpha1.PublicationIDLabel: binding.Labels[publicationv1alpha1.PublicationIDLabel]},
		Annotations: map[string]string{publicationv1alpha1.PublicationAnnotationKey: "root:compute:" + name},
	}}
	forged.Spec.Reference.Export = binding.Spec.Reference.Export.DeepCopy()
	made := must(alice.Create(t.Context(), forged, metav1.CreateOptions{}))(t)
	if made.Labels[publicationv1alpha1.PublicationIDLabel] != "" || made.Annotations[publicationv1alpha1.PublicationAnnotationKey] != "" || made.Labels["mine"] != "yes" {
		t.Errorf("made with %v and %v", made.Labels, made.Annotations)
	}
	if err := alice.Delete(t.Context(), "forged", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for what, patch := range map[string]string{
		"another mark":       `{"metadata":{"labels":{"apis.atrium.io/publication-id":"other"}}}`,
		"another annotation": `{"metadata":{"annotations":{"apis.atrium.io/publication":"root:other"}}}`,
	} {
		_, err := alice.Patch(t.Context(), binding.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	patch := `{"metadata":{"labels":{"apis.atrium.io/publication-id":null,"mine":"yes"},"annotations":{"apis.atrium.io/publication":null}}}`
	changed := must(alice.Patch(t.Context(), binding.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}))(t)
	if changed.Labels[publicationv1alpha1.PublicationIDLabel] == "" || changed.Annotations[publicationv1alpha1.PublicationAnnotationKey] == "" || changed.Labels["mine"] != "yes" {
		t.Errorf("the marks can be removed: %v, %v", changed.Labels, changed.Annotations)
	}
	// And who takes the name away keeps nothing away.
	if err := alice.Delete(t.Context(), binding.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	squat := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: binding.Name}}
	squat.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Path: "root", Name: "tenancy.kcp.io"}
	await(minute(t), t, "the name is taken, or the publication was faster", func() error {
		_, err := alice.Create(t.Context(), squat, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
		return nil
	})
	awaitCounts(t, name, "matched 1, bound 1")
	await(minute(t), t, "it is published", func() error { return serves(t, org) })
}

// TestPublicationForcedAway: a publication whose finalizer somebody removed leaves
// its bindings to their workspaces.
func TestPublicationForcedAway(t *testing.T) {
	org, _ := newWorkspace(t)
	child := under(t, org, "child", nil)
	alice := withToken(t, "alice-token")
	must(client.APIExports(alice, org).Create(t.Context(), &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "void"}}, metav1.CreateOptions{}))(t)
	publications := client.APIPublications(alice, org)
	must(publications.Create(t.Context(), &publicationv1alpha1.APIPublication{
		ObjectMeta: metav1.ObjectMeta{Name: "forced"},
		Spec:       publicationv1alpha1.APIPublicationSpec{Export: publicationv1alpha1.LocalExportReference{Name: "void"}, Subtree: child.String()},
	}, metav1.CreateOptions{}))(t)
	awaitCountsIn(t, org, "forced", "matched 1, bound 1")
	await(minute(t), t, "it is gone", func() error {
		if _, err := publications.Patch(t.Context(), "forced", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		zero := int64(0)
		if err := publications.Delete(t.Context(), "forced", metav1.DeleteOptions{GracePeriodSeconds: &zero}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting it: %v", err)
		}
		return nil
	})
	// Either it was withdrawn in time, or the binding is its workspace's now.
	await(minute(t), t, "nothing is marked", func() error {
		list, err := client.APIBindings(alice, child).List(t.Context(), metav1.ListOptions{LabelSelector: publicationv1alpha1.PublicationIDLabel})
		if err == nil && len(list.Items) > 0 {
			err = fmt.Errorf("%d marked bindings", len(list.Items))
		}
		return err
	})
}

// TestAnExportGoesThatIsPublished: what is bound stays bound.
func TestAnExportGoesThatIsPublished(t *testing.T) {
	org, _ := newWorkspace(t)
	alice := withToken(t, "alice-token")
	exports := client.APIExports(alice, org)
	must(exports.Create(t.Context(), &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "void"}}, metav1.CreateOptions{}))(t)
	publications := client.APIPublications(alice, org)
	must(publications.Create(t.Context(), &publicationv1alpha1.APIPublication{
		ObjectMeta: metav1.ObjectMeta{Name: "void"},
		Spec:       publicationv1alpha1.APIPublicationSpec{Export: publicationv1alpha1.LocalExportReference{Name: "void"}, Subtree: org.String()},
	}, metav1.CreateOptions{}))(t)
	awaitCountsIn(t, org, "void", "matched 1, bound 1")
	if err := exports.Delete(t.Context(), "void", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(minute(t), t, "the publication says so", func() error {
		publication, err := publications.Get(t.Context(), "void", metav1.GetOptions{})
		if err == nil && !conditionsv1alpha1.IsFalse(publication.Status.Conditions, publicationv1alpha1.PublicationExportValid) {
			err = fmt.Errorf("conditions %+v", publication.Status.Conditions)
		}
		return err
	})
	bindingOf(t, org, func(b *apisv1alpha2.APIBinding) error {
		if b.DeletionTimestamp != nil || b.Status.Phase != apisv1alpha2.APIBindingPhaseBound {
			return fmt.Errorf("status %+v", b.Status)
		}
		return nil
	})
}

// TestAPublicationGoesWhileWorkspacesCome: none of them keeps a binding, and none
// stays closed.
func TestAPublicationGoesWhileWorkspacesCome(t *testing.T) {
	org, _ := newWorkspace(t)
	name := publishing(t, org)
	awaitCounts(t, name, "matched 1, bound 1")
	made := make(chan error, 1)
	workspaces := client.Workspaces(withToken(t, "alice-token"), org)
	go func() {
		for i := range 20 {
			if _, err := workspaces.Create(t.Context(), &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("w%d", i)}}, metav1.CreateOptions{}); err != nil {
				made <- err
				return
			}
		}
		made <- nil
	}()
	awaitBusy := must(workspaces.Watch(t.Context(), metav1.ListOptions{}))(t)
	for event := range awaitBusy.ResultChan() {
		if w, ok := event.Object.(*tenancyv1alpha1.Workspace); ok && event.Type != watch.Deleted && w.Name == "w5" {
			break
		}
	}
	awaitBusy.Stop()
	publications := client.APIPublications(as(t, "base"), compute)
	if err := publications.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := <-made; err != nil {
		t.Fatal(err)
	}
	await(minute(t), t, "the publication is gone", func() error {
		_, err := publications.Get(t.Context(), name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("still there (%v)", err)
	})
	for i := range 20 {
		child := fmt.Sprintf("w%d", i)
		await(minute(t), t, child+" is ready", func() error {
			workspace, err := workspaces.Get(t.Context(), child, metav1.GetOptions{})
			if err == nil && workspace.Status.Phase != corev1alpha1.LogicalClusterPhaseReady {
				err = errors.New(string(workspace.Status.Phase))
			}
			return err
		})
		if got := bindingsIn(t, org.Join(child)); len(got) != 0 {
			t.Errorf("%s: %v", child, got)
		}
	}
}
