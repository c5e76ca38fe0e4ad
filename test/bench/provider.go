package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// gizmos are what the provider offers.
var gizmos = schema.GroupVersionResource{Group: "bench.example.io", Version: "v1", Resource: "gizmos"}

// measuredGizmos is in how many workspaces writes are measured.
const measuredGizmos = 10

// measureProvider lets all workspaces bind one export, with an object in each, and
// watches them as its provider: what the watch costs, and how long a write takes to
// reach it, beside a watch in the workspace of the write.
func measureProvider(ctx context.Context, l *lab) error {
	h, err := l.filled(ctx)
	if err != nil {
		return err
	}
	export, err := l.offer(ctx, h)
	if err != nil {
		return err
	}
	took, err := l.bindAll(ctx, h, export)
	if err != nil {
		return err
	}
	everywhere, err := h.viewOf(export)
	if err != nil {
		return err
	}
	before, _, err := h.state(ctx, l.say)
	if err != nil {
		return err
	}
	all, err := followAll(ctx, everywhere, l.options.n)
	if err != nil {
		return err
	}
	defer all.close()
	after, _, err := h.state(ctx, l.say)
	if err != nil {
		return err
	}
	each := after.less(before).each(l.options.n)
	l.table.add(row{
		what:     fmt.Sprintf("one provider's WATCH of %d workspaces, an object in each", l.options.n),
		measured: kilobytes(each.heap) + " of heap an object", budget: fmt.Sprintf("≤ %s", kilobytes(budgetWatchedObject)),
		verdict: atMost(float64(each.heap), budgetWatchedObject, fmt.Sprintf("bound in %s, %.0f/s", seconds(took), perSecond(l.options.n, took))),
	})
	return l.raceProvider(ctx, h, all)
}

// raceProvider writes in some workspaces, and sees who hears of it when.
func (l *lab) raceProvider(ctx context.Context, h *hub, all *arrivals) error {
	l.say.printf("writing where both watch")
	var provider, own durations
	for w := range min(measuredGizmos, l.options.n) {
		objects := h.gizmosIn(w)
		here, err := follow(ctx, objects, stampedGizmo)
		if err != nil {
			return err
		}
		for stamp := range max(l.options.samples/measuredGizmos, 1) {
			key := stampOf(objectName(w), stamp+1)
			far, near := all.expect(key), here.expect(key)
			patch := fmt.Appendf(nil, `{"spec":{"stamp":"%d"}}`, stamp+1)
			if _, err := objects.Patch(ctx, objectName(w), types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
				here.close()
				return fmt.Errorf("failed to write: %w", err)
			}
			for _, seen := range []struct {
				from   *arrivals
				ticket *ticket
				into   *durations
			}{{all, far, &provider}, {here, near, &own}} {
				latency, err := seen.from.wait(ctx, seen.ticket)
				if err != nil {
					here.close()
					return err
				}
				*seen.into = append(*seen.into, latency)
			}
		}
		here.close()
	}
	r := slowdown("write to the provider's WATCH / to one in its workspace, p50", provider, own)
	r.measured += fmt.Sprintf(", p99 %s / %s", milliseconds(provider.p99()), milliseconds(own.p99()))
	l.table.add(r)
	return nil
}

// offer makes a workspace with an export of gizmos.
func (l *lab) offer(ctx context.Context, h *hub) (*apisv1alpha2.APIExport, error) {
	l.say.printf("making a provider")
	path, err := createAlone(ctx, h, "provider")
	if err != nil {
		return nil, err
	}
	offered := &apisv1alpha1.APIResourceSchema{
		ObjectMeta: metav1.ObjectMeta{Name: "v1." + gizmos.GroupResource().String()},
		Spec: apisv1alpha1.APIResourceSchemaSpec{
			Group: gizmos.Group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: gizmos.Resource, Singular: "gizmo", Kind: "Gizmo", ListKind: "GizmoList"},
			Versions: []apisv1alpha1.APIResourceVersion{{Name: gizmos.Version, Served: true, Storage: true, Schema: runtime.RawExtension{
				Raw: []byte(`{"type":"object","properties":{"spec":{"type":"object","properties":{"stamp":{"type":"string"},"payload":{"type":"string"}}}}}`),
			}}},
		},
	}
	if _, err := client.APIResourceSchemas(h.admin, path).Create(ctx, offered, metav1.CreateOptions{}); err != nil {
		return nil, fmt.Errorf("failed to create the schema: %w", err)
	}
	export := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: gizmos.Resource}}
	export.Spec.Resources = []apisv1alpha2.ResourceSchema{{Group: gizmos.Group, Name: gizmos.Resource, Schema: offered.Name}}
	exports := client.APIExports(h.admin, path)
	if _, err := exports.Create(ctx, export, metav1.CreateOptions{}); err != nil {
		return nil, fmt.Errorf("failed to create the export: %w", err)
	}
	return export, until(ctx, "the export has an identity", func() (bool, error) {
		export, err = exports.Get(ctx, gizmos.Resource, metav1.GetOptions{})
		return err == nil && export.Status.IdentityHash != "", err
	})
}

// bindAll binds the export in all workspaces, and makes an object in each.
func (l *lab) bindAll(ctx context.Context, h *hub, export *apisv1alpha2.APIExport) (time.Duration, error) {
	l.say.printf("binding in %d workspaces", l.options.n)
	count := l.say.count(l.options.n, "bound")
	began := time.Now()
	err := share(ctx, l.options.clients, 0, l.options.n, func(ctx context.Context, i int) error {
		defer count()
		binding := &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: gizmos.Resource}}
		binding.Spec.Reference.Export = &apisv1alpha2.ExportBindingReference{Path: logicalcluster.From(export).String(), Name: export.Name}
		bindings := client.APIBindings(h.admin, root.Join(workspaceName(i)))
		if _, err := bindings.Create(ctx, binding, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("failed to bind in %s: %w", workspaceName(i), err)
		}
		return until(ctx, "the export is bound", func() (bool, error) {
			seen, err := bindings.Get(ctx, gizmos.Resource, metav1.GetOptions{})
			return err == nil && seen.Status.Phase == apisv1alpha2.APIBindingPhaseBound, err
		})
	})
	if err != nil {
		return 0, err
	}
	took := time.Since(began)
	l.say.printf("making an object in each")
	return took, share(ctx, l.options.clients, 0, l.options.n, func(ctx context.Context, i int) error {
		_, err := h.gizmosIn(i).Create(ctx, newGizmo(i), metav1.CreateOptions{})
		return err
	})
}

func newGizmo(i int) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": gizmos.GroupVersion().String(), "kind": "Gizmo", "metadata": map[string]any{"name": objectName(i)},
		"spec": map[string]any{"stamp": "0", "payload": payload},
	}}
}

func (h *hub) gizmosIn(i int) dynamic.ResourceInterface {
	return h.admin.Dynamic(root.Join(workspaceName(i))).Resource(gizmos).Namespace(namespace)
}

// viewOf returns the gizmos of all workspaces, as the provider sees them.
func (h *hub) viewOf(export *apisv1alpha2.APIExport) (dynamic.ResourceInterface, error) {
	config, err := h.config(asAdmin)
	if err != nil {
		return nil, err
	}
	config.Host += fmt.Sprintf("/services/apiexport/%s/%s/clusters/*", logicalcluster.From(export), export.Name)
	made, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("failed to make a client of the view: %w", err)
	}
	return made.Resource(gizmos), nil
}

// followAll watches, and returns when it has seen an object of each workspace.
func followAll(ctx context.Context, everywhere dynamic.ResourceInterface, n int) (*arrivals, error) {
	seen, done, missing := map[string]bool{}, make(chan struct{}), n
	all, err := follow(ctx, everywhere, func(event watch.Event) string {
		key := stampedGizmo(event)
		if key != "" && !seen[key] && missing > 0 {
			seen[key] = true
			if missing--; missing == 0 {
				close(done)
			}
		}
		return key
	})
	if err != nil {
		return nil, err
	}
	select {
	case <-done:
		return all, nil
	case <-all.gone:
	case <-ctx.Done():
	}
	all.close()
	return nil, fmt.Errorf("the provider's watch ended before it had seen %d objects", n)
}

// stampedGizmo gives the key of a write that was seen.
func stampedGizmo(event watch.Event) string {
	object, ok := event.Object.(*unstructured.Unstructured)
	if !ok || event.Type == watch.Deleted {
		return ""
	}
	text, _, _ := unstructured.NestedString(object.Object, "spec", "stamp")
	stamp, err := strconv.Atoi(text)
	if err != nil {
		return ""
	}
	return stampOf(object.GetName(), stamp)
}

// until asks again until it is so.
func until(ctx context.Context, what string, ask func() (bool, error)) error {
	for {
		so, err := ask()
		if err != nil || so {
			return err
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("gave up waiting until %s: %w", what, err)
		}
	}
}
