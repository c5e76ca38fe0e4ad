package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"github.com/atriumhub/atrium/config/crds"
)

const (
	// Metrics of what a hub holds.
	heldShapes, heldSets, heldHandlers, heldDocuments = "atrium_catalog_shapes", "atrium_catalog_sets", "atrium_customresources_handlers", "atrium_discovery_documents"
	// alikeGroup is the group of the definitions.
	alikeGroup = "alike.bench.example.io"
)

// alike are ten definitions of the size that definitions have: some of the hub's
// own, 2 to 30 KB each, under another group.
func alike() ([]*apiextensionsv1.CustomResourceDefinition, error) {
	all, err := crds.All()
	if err != nil {
		return nil, err
	}
	all = all[:budgetShapes]
	for _, crd := range all {
		crd.TypeMeta = metav1.TypeMeta{APIVersion: definitions.GroupVersion().String(), Kind: "CustomResourceDefinition"}
		crd.ObjectMeta = metav1.ObjectMeta{Name: crd.Spec.Names.Plural + "." + alikeGroup}
		crd.Spec.Group, crd.Spec.Conversion = alikeGroup, nil
	}
	return all, nil
}

// measureShapes installs the same definitions in all workspaces of a hub of its
// own, reads what it says of them, and deletes them.
func measureShapes(ctx context.Context, l *lab) error {
	l.say.printf("starting a hub with %d workspaces", l.options.alike)
	h, err := l.startHub(ctx, "alike")
	if err != nil {
		return err
	}
	defer h.Kill()
	workspaces := l.workspaces // those of the shared hub
	_, err = l.create(ctx, h, 0, l.options.alike)
	l.workspaces = workspaces
	if err != nil {
		return err
	}
	installed, err := alike()
	if err != nil {
		return err
	}
	before, _, err := h.state(ctx, l.say)
	if err != nil {
		return err
	}
	made, err := l.install(ctx, h, installed)
	if err != nil {
		return err
	}
	if err := l.describeAll(ctx, h); err != nil {
		return err
	}
	with, held, err := h.state(ctx, l.say)
	if err != nil {
		return err
	}
	l.reportShapes(installed, made, with.less(before), held)
	if err := l.watchDefinitions(ctx, h, with); err != nil {
		return err
	}
	return l.uninstall(ctx, h, installed, before)
}

// install makes the definitions in all workspaces, one after the other in each, and
// returns how long each took from the request until it was Established.
func (l *lab) install(ctx context.Context, h *hub, all []*apiextensionsv1.CustomResourceDefinition) (made, error) {
	n := l.options.alike
	l.say.printf("installing %d definitions in %d workspaces", len(all), n)
	count := l.say.count(n, "done")
	took := make(durations, n*len(all))
	began, used := time.Now(), processTime(h.Pid())
	err := share(ctx, l.options.clients, 0, n, func(ctx context.Context, i int) error {
		defer count()
		in := h.definitionsOf(i)
		for j, crd := range all {
			began := time.Now()
			if err := create(ctx, in, crd); err != nil {
				return fmt.Errorf("failed to install %s: %w", crd.Name, err)
			}
			err := until(ctx, crd.Name+" is established", func() (bool, error) {
				seen, err := in.Get(ctx, crd.Name, metav1.GetOptions{})
				return err == nil && established(seen), err
			})
			if err != nil {
				return err
			}
			took[i*len(all)+j] = time.Since(began)
		}
		return nil
	})
	return made{latencies: took, rate: perSecond(len(took), time.Since(began)), cpu: (processTime(h.Pid()) - used) / time.Duration(len(took))}, err
}

func (h *hub) definitionsOf(i int) dynamic.ResourceInterface {
	return h.admin.Dynamic(root.Join(workspaceName(i))).Resource(definitions)
}

func established(crd *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == "Established" && c["status"] == "True" {
			return true
		}
	}
	return false
}

// describeAll reads what a client reads that comes to a workspace for the first
// time.
func (l *lab) describeAll(ctx context.Context, h *hub) error {
	l.say.printf("reading discovery and OpenAPI in each")
	return share(ctx, l.options.clients, 0, l.options.alike, func(ctx context.Context, i int) error {
		workspace := h.admin.Kubernetes(root.Join(workspaceName(i))).Discovery()
		if _, _, err := workspace.ServerGroupsAndResources(); err != nil {
			return fmt.Errorf("failed to read discovery: %w", err)
		}
		paths, err := workspace.OpenAPIV3().Paths()
		if err != nil {
			return fmt.Errorf("failed to read the index of OpenAPI: %w", err)
		}
		for path, document := range paths {
			if _, err := document.Schema("application/json"); err != nil {
				return fmt.Errorf("failed to read OpenAPI of %s: %w", path, err)
			}
		}
		return nil
	})
}

func (l *lab) reportShapes(installed []*apiextensionsv1.CustomResourceDefinition, made made, more memory, held metrics) {
	n := l.options.alike
	shapes := held.values[heldShapes]
	l.table.add(row{
		what: fmt.Sprintf("shapes of %d definitions in %d workspaces", len(installed), n), budget: fmt.Sprint(budgetShapes),
		measured: fmt.Sprintf("%.0f; %.0f set, %.0f handlers, %.0f documents", shapes, held.values[heldSets], held.values[heldHandlers], held.values[heldDocuments]),
		verdict:  atMost(shapes, budgetShapes, ""),
	})
	each := more.each(n)
	l.table.add(row{
		what: fmt.Sprintf("resident for these in a workspace, %d KB of JSON", sizeOf(installed)/1000), budget: "none", verdict: met,
		measured: fmt.Sprintf("%s, %s a definition (%s)", kilobytes(each.resident), kilobytes(each.resident/int64(len(installed))), each.parts(kilobytes)),
	})
	l.table.add(row{
		what: fmt.Sprintf("definition created to Established, p50 / p99, %d clients", l.options.clients), budget: "none", verdict: met,
		measured: fmt.Sprintf("%s; %.0f/s, each %s CPU", made.latencies, made.rate, milliseconds(made.cpu)),
	})
}

// sizeOf is what definitions take in etcd, without what the hub adds.
func sizeOf(all []*apiextensionsv1.CustomResourceDefinition) int {
	size := 0
	for _, crd := range all {
		text, _ := json.Marshal(crd) // API types marshal
		size += len(text)
	}
	return size
}

// watchDefinitions lets somebody in one workspace watch its definitions.
func (l *lab) watchDefinitions(ctx context.Context, h *hub, before memory) error {
	l.say.printf("watching definitions in one workspace")
	watching, err := h.definitionsOf(0).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("failed to watch definitions: %w", err)
	}
	defer watching.Stop()
	<-watching.ResultChan()
	after, _, err := h.state(ctx, l.say)
	if err != nil {
		return err
	}
	more := after.less(before)
	l.table.add(row{
		what: "heap for somebody's watch of the definitions of one of them", budget: "≤ " + megabytes(budgetOneWatch),
		measured: fmt.Sprintf("%s (resident %s)", megabytes(more.heap), megabytes(more.resident)),
		verdict:  atMost(float64(more.heap), budgetOneWatch, ""),
	})
	return nil
}

// uninstall deletes the definitions everywhere.
func (l *lab) uninstall(ctx context.Context, h *hub, all []*apiextensionsv1.CustomResourceDefinition, before memory) error {
	l.say.printf("deleting them")
	count := l.say.count(l.options.alike, "done")
	began := time.Now()
	err := share(ctx, l.options.clients, 0, l.options.alike, func(ctx context.Context, i int) error {
		defer count()
		in := h.definitionsOf(i)
		for _, crd := range all {
			if err := in.Delete(ctx, crd.Name, metav1.DeleteOptions{}); err != nil {
				return fmt.Errorf("failed to delete %s: %w", crd.Name, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var held metrics
	err = until(ctx, "no shape is left", func() (bool, error) {
		held, err = h.metrics(ctx)
		return err == nil && held.values[heldShapes] == 0, err
	})
	if err != nil {
		return err
	}
	took := time.Since(began)
	after, err := h.forgotten(ctx, l.say, budgetMemoryKept*float64(before.resident))
	if err != nil {
		return err
	}
	l.table.add(row{
		what: "these definitions deleted", budget: "within 15 %",
		measured: fmt.Sprintf("%s until %.0f shapes, %.0f sets; then %s resident (before them %s)", seconds(took), held.values[heldShapes], held.values[heldSets], megabytes(after.resident), megabytes(before.resident)),
		verdict:  atMost(float64(after.resident), budgetMemoryKept*float64(before.resident), "more: "+after.less(before).parts(megabytes)),
	})
	return nil
}
