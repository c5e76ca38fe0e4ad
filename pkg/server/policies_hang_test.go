package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	registrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// whatever is a rule for everything that is done to resources.
func whatever(resources ...string) registrationv1.RuleWithOperations {
	rule := writes(resources...)
	rule.Operations = []registrationv1.OperationType{registrationv1.OperationAll}
	return rule
}

// lodgersOf are alice in the workspace of a provider and in those that bound its export.
func (m *market) lodgersOf(t *testing.T) (provider lodger, consumers []lodger) {
	alice := withToken(t, "alice-token")
	for i, path := range m.consumers {
		consumers = append(consumers, lodger{t, alice, path, m.ids[i], path.Base()})
	}
	return lodger{t, alice, m.provider, logicalcluster.From(m.export).String(), m.provider.Base()}, consumers
}

// hangsUpon makes webhooks that never answer, and waits until one is asked.
func (t lodger) hangsUpon(server *judgeServer, probe func() error, resources ...string) {
	t.Helper()
	t.asks("hangs", server.URL, whatever(resources...), registrationv1.Fail, func(w *registrationv1.ValidatingWebhook) { w.TimeoutSeconds = to[int32](1) })
	await(limit(t.T), t.T, "a call that times out", func() error {
		if err := probe(); err == nil || !strings.Contains(err.Error(), "deadline exceeded") {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
	hooks := must(t.policies().ValidatingWebhookConfigurations().Get(limit(t.T), "hangs", metav1.GetOptions{}))(t.T)
	hooks.Webhooks[0].TimeoutSeconds = to[int32](30)
	must(t.policies().ValidatingWebhookConfigurations().Update(limit(t.T), hooks, metav1.UpdateOptions{}))(t.T)
}

// TestWebhooksThatHangKeepNothingAlive: namespaces, bindings and workspaces go, with
// all that is in them, whatever the webhooks do that would judge their content, those
// of the workspace and those of the provider of what it bound.
func TestWebhooksThatHangKeepNothingAlive(t *testing.T) {
	const group = "alive.hang.test"
	ctx := exportsContext(t)
	m := newMarket(ctx, t, group, 2)
	provider, consumers := m.lodgersOf(t)
	a, b := consumers[0], consumers[1]
	namespaces := a.hub.Kubernetes(a.path).CoreV1().Namespaces()
	must(namespaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "doomed"}}, metav1.CreateOptions{}))(t)
	doomed := note("n")
	doomed.Namespace = "doomed"
	must(a.write(doomed))(t)
	must(a.hub.Dynamic(a.path).Resource(gizmos(group)).Namespace("doomed").Create(ctx, newGizmo(group, "g", 1), metav1.CreateOptions{}))(t)
	for _, consumer := range consumers {
		createGizmo(ctx, t, consumer.hub, consumer.path, group, "stays")
	}

	server := newHangingWebhook(t)
	provider.hangsUpon(server, func() error {
		_, err := gizmosAt(a.hub, a.path, group).Create(ctx, newGizmo(group, "probe", 1), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}, "gizmos", "configmaps", "namespaces", "serviceaccounts", "secrets")
	a.hangsUpon(server, func() error { _, err := a.tries(note("probe")); return err }, "configmaps", "secrets", "serviceaccounts", "events", "rolebindings")

	began := time.Now()
	gone := func(what string, get func() error) {
		t.Helper()
		await(ctx, t, what+" is gone", func() error {
			if err := get(); !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) {
				return fmt.Errorf("still there: %v", err)
			}
			return nil
		})
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: it took %v", what, took)
		}
		began = time.Now()
	}
	if err := namespaces.Delete(ctx, "doomed", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	gone("the namespace", func() error { _, err := namespaces.Get(ctx, "doomed", metav1.GetOptions{}); return err })
	if err := client.APIBindings(b.hub, b.path).Delete(ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	gone("the binding", func() error {
		_, err := client.APIBindings(b.hub, b.path).Get(ctx, "gizmos", metav1.GetOptions{})
		return err
	})
	for _, lodger := range []lodger{a, provider} {
		remove(t, lodger.name)
		awaitGone(t, lodger.name)
		gone("workspace "+lodger.name, func() error { _, err := lodger.tries(note("n")); return err })
	}
}

// TestProvidersWhoseWebhooksHang hold up writes of what they offer, and nothing else:
// not reading it, not what else consumers do, not those who offer something else, and
// not what the hub does in their consumers' workspaces.
func TestProvidersWhoseWebhooksHang(t *testing.T) {
	const group = "upheld.hang.test"
	ctx := exportsContext(t)
	m, other := newMarket(ctx, t, group, 2), newMarket(ctx, t, "other.hang.test", 1)
	claim := claimTo("", "configmaps", "", "*")
	m.claim(ctx, t, claim)
	provider, consumers := m.lodgersOf(t)
	a, b := consumers[0], consumers[1]
	createGizmo(ctx, t, a.hub, a.path, group, "before")
	createGizmo(ctx, t, a.hub, other.consumers[0], other.group, "before")
	provider.hangsUpon(newHangingWebhook(t), func() error {
		_, err := gizmosAt(a.hub, a.path, group).Create(ctx, newGizmo(group, "probe", 1), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}, "gizmos")

	const waiting = 60
	began, outcomes := time.Now(), make(chan error, waiting)
	for i := range waiting {
		consumer := consumers[i%2]
		go func() {
			_, err := gizmosAt(consumer.hub, consumer.path, group).Create(t.Context(), newGizmo(group, fmt.Sprint("g", i), 1), metav1.CreateOptions{})
			outcomes <- err
		}()
	}
	tooMany := 0
	for tooMany < waiting-waitingForOneProvider {
		if err := <-outcomes; err == nil || !strings.Contains(err.Error(), "too many calls of webhooks are under way") {
			t.Fatalf("a write that is not judged: %v", err)
		}
		tooMany++
	}
	// The others hang, until the test ends.
	for what, do := range map[string]func() error{
		"reading": func() error {
			_, err := gizmosAt(a.hub, a.path, group).Get(ctx, "before", metav1.GetOptions{})
			return err
		},
		"what is theirs": func() error { _, err := b.write(note("mine")); return err },
		"other exports": func() error {
			_, err := gizmosAt(a.hub, other.consumers[0], other.group).Create(ctx, newGizmo(other.group, "one", 1), metav1.CreateOptions{})
			return err
		},
		"answering claims": func() error {
			m.answer(ctx, t, 0, accept(claim))
			m.awaitClaims(ctx, t, 0, "configmaps *")
			return nil
		},
		"binding": func() error {
			bind(ctx, t, as(t, "base"), other.consumers[0], "again", m.provider, "gizmos")
			awaitBound(ctx, t, as(t, "base"), other.consumers[0], "again")
			return nil
		},
		"unbinding": func() error {
			if err := client.APIBindings(b.hub, b.path).Delete(ctx, "gizmos", metav1.DeleteOptions{}); err != nil {
				return err
			}
			awaitUnbound(ctx, t, b.hub, b.path, "gizmos")
			return nil
		},
	} {
		started := time.Now()
		if err := do(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if took := time.Since(started); took > 15*time.Second {
			t.Errorf("%s took %v", what, took)
		}
	}
	if len(outcomes) > 0 && time.Since(began) < 25*time.Second {
		t.Errorf("of those that hang %d came back early: %v", len(outcomes), <-outcomes)
	}
	// The provider mends it by himself, at once.
	if err := provider.policies().ValidatingWebhookConfigurations().Delete(ctx, "hangs", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "a write", func() error {
		_, err := gizmosAt(a.hub, a.path, group).Patch(ctx, "before", types.MergePatchType, []byte(`{"spec":{"size":2}}`), metav1.PatchOptions{})
		return err
	})
}

// waitingForOneProvider is pkg/admission/policies' waitingPerWorkspace.
const waitingForOneProvider = 25
