package server

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/atriumhub/atrium/pkg/schemas"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	conditionsv1alpha1 "github.com/atriumhub/atrium/sdk/apis/conditions/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// adopted is a workspace with gizmos of its own, and an export that fits them. Alice
// administers both.
type adopted struct {
	ctx                context.Context
	t                  *testing.T
	alice              *client.Hub
	group              string
	provider, consumer logicalcluster.Path
	// before are the UIDs of gizmos by name, as they were.
	before map[string]types.UID
}

func newAdopted(t *testing.T, group string) *adopted {
	t.Helper()
	a := &adopted{ctx: exportsContext(t), t: t, alice: withToken(t, "alice-token"), group: group}
	a.provider, _ = newWorkspace(t)
	a.consumer, _ = newWorkspace(t)
	offered := gizmoSchemaOf("v1", group)
	publish(a.ctx, t, a.alice, a.provider, "gizmos", offered)
	definition, err := schemas.FromSchema(offered)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := definitionsAt(t, a.alice, a.consumer).Create(a.ctx, definition, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitDefinition(a.ctx, t, a.alice, a.consumer, group, apiextensionsv1.Established, "True")
	for _, name := range []string{"one", "two", "three", strings.Repeat("long.", 50) + "end"} {
		gizmo := newGizmo(group, name, 7)
		gizmo.SetAnnotations(map[string]string{"note": "ключ 鍵 🔑\u202e"})
		await(a.ctx, t, "gizmo "+name+" is made", func() error {
			_, err := gizmosAt(a.alice, a.consumer, group).Create(a.ctx, gizmo, metav1.CreateOptions{})
			return err
		})
	}
	if a.before, err = a.gizmos(); err != nil || len(a.before) != 4 {
		t.Fatalf("gizmos %v, %v", a.before, err)
	}
	return a
}

func (a *adopted) gizmos() (map[string]types.UID, error) {
	list, err := gizmosAt(a.alice, a.consumer, a.group).List(a.ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	found := map[string]types.UID{}
	for i := range list.Items {
		found[list.Items[i].GetName()] = list.Items[i].GetUID()
	}
	return found, nil
}

// bind makes a binding that adopts.
func (a *adopted) bind(name, export string) {
	a.t.Helper()
	binding := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{apisv1alpha2.AdoptCRDAnnotationKey: "true"}}}
	binding.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Path: a.provider.String(), Name: export}
	if _, err := client.APIBindings(a.alice, a.consumer).Create(a.ctx, binding, metav1.CreateOptions{}); err != nil {
		a.t.Fatal(err)
	}
}

func (a *adopted) mark() (string, error) {
	definition, err := definitionsAt(a.t, a.alice, a.consumer).Get(a.ctx, "gizmos."+a.group, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return definition.Annotations[apisv1alpha2.AdoptedByAnnotationKey], nil
}

func (a *adopted) awaitMark() {
	a.t.Helper()
	await(a.ctx, a.t, "the definition is marked", func() error {
		mark, err := a.mark()
		if err == nil && mark == "" {
			err = fmt.Errorf("no mark")
		}
		return err
	})
}

// expect waits until gizmos are served, by the binding if one is named, and that all
// there ever were are there, whenever they are.
func (a *adopted) expect(binding string, gizmos map[string]types.UID) {
	a.t.Helper()
	await(a.ctx, a.t, "gizmos are served again", func() error {
		found, err := a.gizmos()
		if err != nil {
			return err
		}
		if diff := cmp.Diff(gizmos, found); diff != "" {
			a.t.Fatalf("gizmos (-want +got):\n%s", diff)
		}
		if binding == "" {
			return nil
		}
		got, err := client.APIBindings(a.alice, a.consumer).Get(a.ctx, binding, metav1.GetOptions{})
		if err == nil && !conditionsv1alpha1.IsTrue(got.Status.Conditions, conditionsv1alpha1.ReadyCondition) {
			err = fmt.Errorf("%+v", got.Status.Conditions)
		}
		return err
	})
}

// pending returns a binding that has not got the gizmos yet. It has within a second: the
// test ends where the machine was too slow for what it is about.
func (a *adopted) pending(name string) *apisv1alpha2.APIBinding {
	a.t.Helper()
	binding, err := client.APIBindings(a.alice, a.consumer).Get(a.ctx, name, metav1.GetOptions{})
	if err != nil {
		a.t.Fatal(err)
	}
	if binding.Status.Phase == apisv1alpha2.APIBindingPhaseBound {
		a.t.Skip("the adoption was over too soon")
	}
	return binding
}

// unbind deletes a binding that has not got the gizmos yet.
func (a *adopted) unbind(name string) {
	a.t.Helper()
	a.deletePending(name)
	awaitUnbound(a.ctx, a.t, a.alice, a.consumer, name)
}

func (a *adopted) deletePending(name string) {
	a.t.Helper()
	await(a.ctx, a.t, "binding "+name+" is deleted as it is", func() error {
		as := metav1.Preconditions{ResourceVersion: &a.pending(name).ResourceVersion}
		return client.APIBindings(a.alice, a.consumer).Delete(a.ctx, name, metav1.DeleteOptions{Preconditions: &as})
	})
}

// Whatever its administrator does in a workspace whose gizmos are being taken over:
// they are never shown in part, and none is lost.
func TestAdoptionInHostileHands(t *testing.T) {
	long := strings.Repeat("long.", 50) + "end"
	for name, test := range map[string]func(*adopted){
		"nothing": func(a *adopted) {
			a.bind(long, "gizmos")
			a.expect(long, a.before)
			kept, err := gizmosAt(a.alice, a.consumer, a.group).Get(a.ctx, long, metav1.GetOptions{})
			if err != nil || kept.GetAnnotations()["note"] != "ключ 鍵 🔑\u202e" {
				a.t.Errorf("the gizmo with the long name: %v, %v", kept, err)
			}
		},
		"the definition is deleted": func(a *adopted) {
			a.bind("b", "gizmos")
			a.awaitMark()
			if err := definitionsAt(a.t, a.alice, a.consumer).Delete(a.ctx, "gizmos."+a.group, metav1.DeleteOptions{}); err != nil {
				a.t.Fatal(err)
			}
			a.expect("b", a.before)
			await(a.ctx, a.t, "the definition goes", func() error {
				if _, err := a.mark(); !apierrors.IsNotFound(err) {
					return fmt.Errorf("%w", err)
				}
				return nil
			})
			a.expect("b", a.before)
		},
		"the definition is edited": func(a *adopted) {
			a.bind("b", "gizmos")
			a.awaitMark()
			definitions := definitionsAt(a.t, a.alice, a.consumer)
			await(a.ctx, a.t, "the definition stores another version", func() error {
				definition, err := definitions.Get(a.ctx, "gizmos."+a.group, metav1.GetOptions{})
				if err != nil {
					return err
				}
				other := definition.Spec.Versions[0].DeepCopy()
				other.Name, definition.Spec.Versions[0].Storage = "v9", false
				other.Schema.OpenAPIV3Schema = &apiextensionsv1.JSONSchemaProps{Type: "object", Required: []string{"nothing"}}
				definition.Spec.Versions = append(definition.Spec.Versions, *other)
				definition.Spec.Names.ShortNames = []string{"gz"}
				_, err = definitions.Update(a.ctx, definition, metav1.UpdateOptions{})
				return err
			})
			a.expect("b", a.before)
			createGizmo(a.ctx, a.t, a.alice, a.consumer, a.group, "new")
		},
		"the mark is forged": func(a *adopted) {
			a.bind("b", "gizmos")
			a.awaitMark()
			was, _ := a.mark()
			for _, value := range []string{"null", `"other/0000"`, `"b/0000"`} {
				patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%s}}}`, apisv1alpha2.AdoptedByAnnotationKey, value)
				for _, subresource := range []string{"", "status"} {
					// It may be refused, or left out.
					_, _ = definitionsAt(a.t, a.alice, a.consumer).Patch(a.ctx, "gizmos."+a.group, types.MergePatchType, patch, metav1.PatchOptions{}, subresource)
				}
				apply := fmt.Appendf(nil, `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"gizmos.%s","annotations":{%q:%s}}}`,
					a.group, apisv1alpha2.AdoptedByAnnotationKey, value)
				_, _ = definitionsAt(a.t, a.alice, a.consumer).Patch(a.ctx, "gizmos."+a.group, types.ApplyPatchType, apply, metav1.PatchOptions{FieldManager: "alice", Force: ptr.To(true)})
				if mark, err := a.mark(); err == nil && mark != was {
					a.t.Errorf("the mark was %q and is %q", was, mark)
				}
			}
			a.expect("b", a.before)
		},
		"a mark is made up": func(a *adopted) {
			other, err := schemas.FromSchema(gizmoSchemaOf("v1", "other."+a.group))
			if err != nil {
				a.t.Fatal(err)
			}
			other.Annotations = map[string]string{apisv1alpha2.AdoptedByAnnotationKey: "b/0000"}
			made, err := definitionsAt(a.t, a.alice, a.consumer).Create(a.ctx, other, metav1.CreateOptions{})
			if err != nil || made.Annotations[apisv1alpha2.AdoptedByAnnotationKey] != "" {
				a.t.Errorf("a definition is made with the mark %v, %v", made.Annotations, err)
			}
			a.expect("", a.before)
		},
		"gizmos are made and deleted": func(a *adopted) {
			writing, stop := context.WithCancel(a.ctx)
			done := make(chan map[string]types.UID, 1)
			go func() {
				want, objects := maps.Clone(a.before), gizmosAt(a.alice, a.consumer, a.group)
				for i := 0; writing.Err() == nil; i++ {
					made, err := objects.Create(a.ctx, newGizmo(a.group, fmt.Sprintf("n%d", i), 1), metav1.CreateOptions{})
					if err != nil {
						continue
					}
					want[made.GetName()] = made.GetUID()
					if i%2 == 0 && objects.Delete(a.ctx, made.GetName(), metav1.DeleteOptions{}) == nil {
						delete(want, made.GetName())
					}
				}
				done <- want
			}()
			a.bind("b", "gizmos")
			awaitBound(a.ctx, a.t, a.alice, a.consumer, "b")
			stop()
			want := <-done
			if len(want) <= len(a.before) {
				a.t.Fatal("none was made")
			}
			await(a.ctx, a.t, "what was made is there", func() error {
				found, err := a.gizmos()
				if err == nil {
					if diff := cmp.Diff(want, found); diff != "" {
						err = fmt.Errorf("gizmos (-want +got):\n%s", diff)
					}
				}
				return err
			})
		},
		"the binding is deleted": func(a *adopted) {
			a.bind("b", "gizmos")
			a.awaitMark()
			a.unbind("b")
			a.expect("", a.before)
			a.bind("b", "gizmos")
			a.expect("b", a.before)
		},
		"the export is deleted": func(a *adopted) {
			a.bind("b", "gizmos")
			a.awaitMark()
			if err := client.APIExports(a.alice, a.provider).Delete(a.ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
				a.t.Fatal(err)
			}
			awaitCondition(a.ctx, a.t, a.alice, a.consumer, "b", apisv1alpha2.APIExportValid, "False APIExportNotFound")
			a.unbind("b")
			a.expect("", a.before)
		},
		"the export is made again": func(a *adopted) {
			a.bind("b", "gizmos")
			a.awaitMark()
			export, err := client.APIExports(a.alice, a.provider).Get(a.ctx, "gizmos", metav1.GetOptions{})
			if err != nil {
				a.t.Fatal(err)
			}
			if err := client.APIExports(a.alice, a.provider).Delete(a.ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
				a.t.Fatal(err)
			}
			if err := a.alice.Kubernetes(a.provider).CoreV1().Secrets("kcp-system").Delete(a.ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
				a.t.Fatal(err)
			}
			again := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "gizmos"}}
			again.Spec.Resources = export.Spec.Resources
			if _, err := client.APIExports(a.alice, a.provider).Create(a.ctx, again, metav1.CreateOptions{}); err != nil {
				a.t.Fatal(err)
			}
			a.pending("b")
			awaitCondition(a.ctx, a.t, a.alice, a.consumer, "b", apisv1alpha2.BindingUpToDate, "False NamingConflicts")
			a.unbind("b")
			a.expect("", a.before)
			a.bind("b", "gizmos")
			a.expect("b", a.before)
		},
		"the finalizer of the binding is taken off": func(a *adopted) {
			a.bind("b", "gizmos")
			a.awaitMark()
			a.deletePending("b")
			_, err := a.alice.Dynamic(a.consumer).Resource(apisv1alpha2.SchemeGroupVersion.WithResource("apibindings")).
				Patch(a.ctx, "b", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				a.t.Fatal(err)
			}
			awaitUnbound(a.ctx, a.t, a.alice, a.consumer, "b")
			a.bind("b", "gizmos")
			a.expect("b", a.before)
		},
		"two bindings adopt it": func(a *adopted) {
			publish(a.ctx, a.t, a.alice, a.provider, "others", gizmoSchemaOf("v2", a.group))
			a.bind("a", "gizmos")
			a.bind("b", "others")
			first, second := "a", "b"
			a.awaitMark()
			if mark, _ := a.mark(); strings.HasPrefix(mark, "b/") {
				first, second = second, first
			}
			a.expect(first, a.before)
			awaitCondition(a.ctx, a.t, a.alice, a.consumer, second, apisv1alpha2.BindingUpToDate, "False NamingConflicts")
			a.unbind(second)
			a.expect(first, a.before)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newAdopted(t, strings.ReplaceAll(name, " ", "-")+".adopted.test"))
		})
	}
}
