package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	apisv1alpha1 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	// published is the name of an export and of its publication.
	published = "widgets"
	// look is how often the publication is asked how far it is, and somebody else
	// writes meanwhile.
	look = 50 * time.Millisecond
)

// measurePublish publishes an API to all workspaces, while somebody else works in
// one of them, and takes it back.
func measurePublish(ctx context.Context, l *lab) error {
	h, err := l.filled(ctx)
	if err != nil {
		return err
	}
	provider, err := createAlone(ctx, h, l.unique("provider"))
	if err != nil {
		return err
	}
	if err := offer(ctx, h, provider); err != nil {
		return err
	}
	before, _, err := h.state(ctx, l.say)
	if err != nil {
		return err
	}
	l.say.printf("publishing to %d workspaces", l.workspaces)
	out, err := l.during(ctx, h, func() error { return publish(ctx, h, provider, l.workspaces) })
	if err != nil {
		return err
	}
	after, _, err := h.state(ctx, l.say)
	if err != nil {
		return err
	}
	l.say.printf("withdrawing it")
	back, err := l.during(ctx, h, func() error { return withdraw(ctx, h, provider) })
	if err != nil {
		return err
	}
	l.reportPublish(out, back, after.less(before).each(l.workspaces))
	return nil
}

func (l *lab) reportPublish(out, back busy, each memory) {
	budget := budgetPublishMost * time.Duration(l.workspaces) / most
	for _, b := range []struct {
		busy
		what, more string
	}{
		{out, fmt.Sprintf("publish an API to %d workspaces", l.workspaces), fmt.Sprintf("; each %s resident", kilobytes(each.resident))},
		{back, fmt.Sprintf("withdraw it from %d workspaces", l.workspaces), ""},
	} {
		l.table.add(row{
			what: b.what, budget: shareOf(budget, budgetPublishMost),
			measured: fmt.Sprintf("%s; each %s CPU; meanwhile a write took %s%s", seconds(b.took), milliseconds(b.cpu), b.others, b.more),
			verdict:  atMost(b.took.Seconds(), budget.Seconds(), cpuBound(b.cpu)),
		})
	}
}

// busy is a time in which the hub had to do something for every workspace.
type busy struct {
	// took is how long it was, cpu what the hub needed for each.
	took, cpu time.Duration
	// others is how long writes of somebody else took.
	others durations
}

// during measures what do does, and how long somebody waits who writes meanwhile.
func (l *lab) during(ctx context.Context, h *hub, do func() error) (busy, error) {
	working, stop := context.WithCancel(ctx)
	defer stop()
	var others durations
	var failed error
	var group sync.WaitGroup
	group.Go(func() { others, failed = l.work(working, h) })
	began, used := time.Now(), processTime(h.Pid())
	err := do()
	b := busy{took: time.Since(began), cpu: (processTime(h.Pid()) - used) / time.Duration(l.workspaces)}
	stop()
	group.Wait()
	if err == nil {
		err = failed
	}
	b.others = others
	return b, err
}

// work writes in one workspace now and then until ctx ends.
func (l *lab) work(ctx context.Context, h *hub) (durations, error) {
	name := l.unique("worker")
	objects := h.admin.Kubernetes(root.Join(workspaceName(0))).CoreV1().ConfigMaps(namespace)
	var took durations
	for i := 0; pause(ctx, look) == nil; i++ {
		began := time.Now()
		if _, err := objects.Create(ctx, configMap(fmt.Sprintf("%s-%d", name, i), i), metav1.CreateOptions{}); err != nil {
			if ctx.Err() != nil {
				break
			}
			return nil, fmt.Errorf("failed to write while others publish: %w", err)
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

// offer makes an export with a resource.
func offer(ctx context.Context, h *hub, in logicalcluster.Path) error {
	schema := &apisv1alpha1.APIResourceSchema{
		ObjectMeta: metav1.ObjectMeta{Name: "v1.widgets.bench.example.io"},
		Spec: apisv1alpha1.APIResourceSchemaSpec{
			Group: "bench.example.io", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Singular: "widget", Kind: "Widget", ListKind: "WidgetList"},
			Versions: []apisv1alpha1.APIResourceVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: runtime.RawExtension{Raw: []byte(`{"type":"object","properties":{"spec":{"type":"object","properties":{"size":{"type":"integer"}}}}}`)},
			}},
		},
	}
	if _, err := client.APIResourceSchemas(h.admin, in).Create(ctx, schema, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("failed to make a schema: %w", err)
	}
	export := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: published}}
	export.Spec.Resources = []apisv1alpha2.ResourceSchema{{Group: schema.Spec.Group, Name: "widgets", Schema: schema.Name}}
	if _, err := client.APIExports(h.admin, in).Create(ctx, export, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("failed to make an export: %w", err)
	}
	return nil
}

// publish publishes to the whole hub, and returns when at least n workspaces are
// bound.
func publish(ctx context.Context, h *hub, in logicalcluster.Path, n int) error {
	publications := client.APIPublications(h.admin, in)
	_, err := publications.Create(ctx, &publicationv1alpha1.APIPublication{
		ObjectMeta: metav1.ObjectMeta{Name: published},
		Spec: publicationv1alpha1.APIPublicationSpec{
			Export: publicationv1alpha1.LocalExportReference{Name: published}, Subtree: root.String(),
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("failed to publish: %w", err)
	}
	for {
		publication, err := publications.Get(ctx, published, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("failed to ask how far the publication is: %w", err)
		}
		switch s := publication.Status; {
		case s.Failed+s.Conflicting > 0:
			return fmt.Errorf("failed to publish everywhere: %+v", s.Examples)
		case s.Bound == s.Matched && s.Bound > int64(n):
			return nil
		}
		if err := pause(ctx, look); err != nil {
			return err
		}
	}
}

func withdraw(ctx context.Context, h *hub, in logicalcluster.Path) error {
	publications := client.APIPublications(h.admin, in)
	if err := publications.Delete(ctx, published, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("failed to withdraw: %w", err)
	}
	for {
		_, err := publications.Get(ctx, published, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return fmt.Errorf("failed to ask whether the publication is gone: %w", err)
		}
		if err := pause(ctx, look); err != nil {
			return err
		}
	}
}
