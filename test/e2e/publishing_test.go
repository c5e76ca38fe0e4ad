package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/pkg/failpoint"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	publicationv1alpha1 "github.com/atriumhub/atrium/sdk/apis/publication/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// publishingDeath is a step of publishing at which the hub is to die. Each has a
// subtree of two workspaces of its own, and a publication to it, of the same name.
type publishingDeath struct {
	moment
	name string
}

func (d publishingDeath) root() logicalcluster.Path  { return root.Join(d.name) }
func (d publishingDeath) below() logicalcluster.Name { return logicalcluster.Name(d.name + "c") }
func (d publishingDeath) later() logicalcluster.Name { return logicalcluster.Name(d.name + "n") }

// subject is for whom the point is armed.
func (d publishingDeath) subject() string {
	switch d.step {
	case failpoint.OpenPublished:
		return d.later().String()
	case failpoint.ReleasePublication:
		return d.name
	}
	return d.below().String()
}

// withdraws reports whether the hub dies because the publication is deleted.
func (d publishingDeath) withdraws() bool {
	return d.step != failpoint.CreateBinding && d.step != failpoint.OpenPublished
}

// TestHubDiesWhilePublishing kills the hub before and after each step. Once it runs
// again the publication has to be complete, or gone with what it made, without any
// help.
func TestHubDiesWhilePublishing(t *testing.T) {
	t.Parallel()
	m := newMortal(t, fmt.Sprintf("publishing-%d", mortalRuns.Add(1)))
	var all []publishingDeath
	for i, when := range momentsOf(failpoint.PublishingSteps) {
		d := publishingDeath{when, fmt.Sprintf("y%02d", i)}
		if err := m.preparePublishing(limit(t), d); err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		all = append(all, d)
	}
	dieOf(t, m, all, m.dieWhilePublishing, m.checkPublishing)
}

func (m *mortal) publications() *client.APIPublicationClient {
	return client.APIPublications(m.shard, root.Join("compute"))
}

func (m *mortal) publish(ctx context.Context, d publishingDeath) error {
	publication := &publicationv1alpha1.APIPublication{ObjectMeta: metav1.ObjectMeta{Name: d.name}}
	publication.Spec.Export.Name, publication.Spec.Subtree = "kubernetes", d.root().String()
	if d.step == failpoint.AmendBinding {
		publication.Spec.Withdrawal = publicationv1alpha1.PublicationLeave
	}
	_, err := m.publications().Create(ctx, publication, metav1.CreateOptions{})
	return err
}

func (m *mortal) preparePublishing(ctx context.Context, d publishingDeath) error {
	if err := m.make(ctx, root, d.name); err != nil {
		return err
	}
	if err := m.make(ctx, d.root(), d.below().String()); err != nil {
		return err
	}
	if d.step == failpoint.CreateBinding {
		return nil
	}
	if err := m.publish(ctx, d); err != nil {
		return err
	}
	return again(ctx, func() error { return m.complete(ctx, d, 2) })
}

// complete returns an error unless the publication is bound in n workspaces.
func (m *mortal) complete(ctx context.Context, d publishingDeath, n int64) error {
	publication, err := m.publications().Get(ctx, d.name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if s := publication.Status; s.Matched != n || s.Bound != n {
		return fmt.Errorf("bound in %d of %d workspaces, not %d: %+v", s.Bound, s.Matched, n, s.Examples)
	}
	return nil
}

// dieWhilePublishing asks for what the hub is to die of.
func (m *mortal) dieWhilePublishing(ctx context.Context, d publishingDeath) error {
	switch {
	case d.withdraws():
		return m.publications().Delete(ctx, d.name, metav1.DeleteOptions{})
	case d.step == failpoint.OpenPublished:
		return m.ask(ctx, d.root(), d.later().String())
	default:
		return m.publish(ctx, d)
	}
}

func (m *mortal) checkPublishing(t *testing.T, d publishingDeath) {
	t.Helper()
	ctx := limit(t)
	err := again(ctx, func() error {
		switch {
		case d.step == failpoint.OpenPublished:
			return errors.Join(m.phase(ctx, d.root(), d.later().String(), corev1alpha1.LogicalClusterPhaseReady), m.complete(ctx, d, 3))
		case !d.withdraws():
			return m.complete(ctx, d, 2)
		}
		if _, err := m.publications().Get(ctx, d.name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the publication is not gone: %w", err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("%s: %v", d, err)
		return
	}
	for _, path := range []logicalcluster.Path{d.root(), d.below().Path()} {
		m.checkBindings(t, d, must(client.APIBindings(m.shard, path).List(ctx, metav1.ListOptions{}))(t).Items)
	}
}

// checkBindings looks at the bindings of one workspace.
func (m *mortal) checkBindings(t *testing.T, d publishingDeath, bindings []apisv1alpha2.APIBinding) {
	t.Helper()
	want, marked := 1, !d.withdraws()
	if d.withdraws() && d.step != failpoint.AmendBinding {
		want = 0
	}
	if len(bindings) != want {
		t.Errorf("%s: %d bindings, want %d", d, len(bindings), want)
	}
	for _, b := range bindings {
		if _, has := b.Labels[publicationv1alpha1.PublicationIDLabel]; has != marked {
			t.Errorf("%s: binding %s has a mark: %v", d, b.Name, has)
		}
	}
}
