package server

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	registrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// TestPoliciesOfTheProvider: what comes from an export is judged by the policies
// of its workspace, wherever it is and whoever writes, and not by those of the
// workspace it is in.
func TestPoliciesOfTheProvider(t *testing.T) {
	const group = "judged.exports.test"
	ctx := exportsContext(t)
	m := newMarket(ctx, t, group, 2)
	provider := lodger{t, withToken(t, "alice-token"), m.provider, logicalcluster.From(m.export).String(), m.provider.Base()}
	consumer := lodger{t, withToken(t, "alice-token"), m.consumers[0], m.ids[0], ""}
	createGizmo(ctx, t, consumer.hub, consumer.path, group, "before")

	// Both forbid; only one is asked.
	consumer.requires(validates("consumers", writes("gizmos", "configmaps"), `false`))
	consumer.awaitRefusal(note("n"), "consumers says no")
	if _, err := gizmosAt(consumer.hub, consumer.path, group).Create(ctx, newGizmo(group, "free", 1), metav1.CreateOptions{}); err != nil {
		t.Errorf("a consumer's policy judges what is not his: %v", err)
	}
	small := validates("small", writes("gizmos", "configmaps"), `object.metadata.name == 'small' || object.spec.size <= int(params.data.most)`)
	small.Spec.ParamKind = &registrationv1.ParamKind{APIVersion: "v1", Kind: "ConfigMap"}
	must(provider.policies().ValidatingAdmissionPolicies().Create(ctx, small, metav1.CreateOptions{}))(t)
	must(provider.policies().ValidatingAdmissionPolicyBindings().Create(ctx, &registrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "small"}, Spec: registrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: "small", ValidationActions: []registrationv1.ValidationAction{registrationv1.Deny},
			ParamRef:       &registrationv1.ParamRef{Name: "small", Namespace: "default", ParameterNotFoundAction: to(registrationv1.DenyAction)},
			MatchResources: &registrationv1.MatchResources{ResourceRules: []registrationv1.NamedRuleWithOperations{{RuleWithOperations: writes("gizmos")}}},
		},
	}, metav1.CreateOptions{}))(t)
	params := note("small")
	params.Data = map[string]string{"most": "5"}
	must(provider.write(params))(t)
	// The provider's mutating policy is told who writes as he knows them, and where.
	provider.mutates("told", writes("gizmos"), applies(`Object{metadata: Object.metadata{labels: {"by": request.userInfo.username, "in": string(object.metadata.annotations["kcp.io/cluster"])}}}`))

	refused := func(create func(name string, size int64) error) {
		t.Helper()
		await(ctx, t, "the provider's policy", func() error {
			if err := create(fmt.Sprintf("big%d", time.Now().UnixNano()), 6); err == nil || !strings.Contains(err.Error(), "small says no") {
				return fmt.Errorf("got %v", err)
			}
			return nil
		})
		if err := create(fmt.Sprintf("ok%d", time.Now().UnixNano()), 5); err != nil {
			t.Error(err)
		}
	}
	for i, path := range m.consumers {
		refused(func(name string, size int64) error {
			made, err := gizmosAt(consumer.hub, path, group).Create(ctx, newGizmo(group, name, size), metav1.CreateOptions{})
			if err == nil && (made.GetLabels()["by"] != "alice" || made.GetLabels()["in"] != m.ids[i]) {
				t.Errorf("the provider is told %v", made.GetLabels())
			}
			return err
		})
		refused(func(name string, size int64) error { // bob, through the view
			_, err := m.in(t, m.ids[i]).Create(ctx, newGizmo(group, name, size), metav1.CreateOptions{})
			return err
		})
	}
	if _, err := consumer.hub.Kubernetes(m.consumers[1]).CoreV1().ConfigMaps("default").Create(ctx, note("n"), metav1.CreateOptions{}); err != nil {
		t.Errorf("a provider's policy judges what is the consumer's own: %v", err)
	}
	// He is not held up by it when he goes.
	if err := consumer.policies().ValidatingAdmissionPolicies().Delete(ctx, "consumers", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
}

// TestManyPolicies: a thousand that are about something else cost little, and are
// not compiled.
func TestManyPolicies(t *testing.T) {
	a := newLodger(t)
	const many = 1000
	for i := range many {
		a.requires(validates(fmt.Sprintf("p%d", i), writes("secrets"), fmt.Sprintf("object.metadata.name != 'n%d'", i)))
	}
	a.requires(validates("last", writes("configmaps"), "false"))
	await(limit(t), t, "the last", func() error {
		if _, err := a.tries(note("n")); err == nil || !strings.Contains(err.Error(), "last says no") {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
	if compiled, known := shared.hub.policies.Known(logicalcluster.Name(a.id)); !known || compiled != 1 {
		t.Errorf("%d policies are compiled, %v; want 1", compiled, known)
	}
}

// TestPoliciesLeaveNothingRunning: when they were used, and when they are gone.
func TestPoliciesLeaveNothingRunning(t *testing.T) {
	a := newLodger(t)
	server := newWebhook(t, func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse { return denied("no") })
	settled := func() int {
		n := runtime.NumGoroutine()
		for range 50 {
			runtime.Gosched()
			n = min(n, runtime.NumGoroutine())
		}
		return n
	}
	if _, err := a.tries(note("n")); err != nil {
		t.Fatal(err)
	}
	before := settled()
	a.requires(validates("some", writes("secrets"), "false"))
	a.mutates("some", writes("configmaps"), applies(`Object{metadata: Object.metadata{labels: {"x": "y"}}}`))
	a.asks("some", server.URL, writes("configmaps"), registrationv1.Fail)
	a.awaitRefusal(note("n"), "denied the request: no")
	shared.hub.policies.Sweep(time.Time{})
	server.CloseClientConnections()
	await(limit(t), t, "as much as before runs", func() error {
		if now := settled(); now > before+2 { // others come and go
			return fmt.Errorf("%d goroutines, before %d", now, before)
		}
		return nil
	})
	a.awaitRefusal(note("n"), "denied the request: no") // and it is in force
}

// TestPoliciesNestNothing: a policy that copies an object into itself is stopped.
func TestPoliciesNestNothing(t *testing.T) {
	a := newLodger(t)
	if err := post(limit(t), a.hub, a.path, crdsPath, gadgets(t.Name())); err != nil {
		t.Fatal(err)
	}
	var copies []string
	for depth := 1; depth < 400; depth *= 2 {
		copies = append(copies, fmt.Sprintf(`JSONPatch{op: "copy", from: "/spec", path: "/spec%s"}`, strings.Repeat("/a", depth)))
	}
	a.mutates("doubles", writes("gadgets"), patches("["+strings.Join(copies, ",")+"]"))
	deep := `{"apiVersion":"example.io/v1","kind":"Gadget","metadata":{"name":"NAME"},"spec":{"x":1}}`
	try := 0
	await(limit(t), t, "a refusal", func() error {
		try++
		err := post(limit(t), a.hub, a.path, gadgetsPath, strings.ReplaceAll(deep, "NAME", fmt.Sprintf("g%d", try)))
		if err == nil || !strings.Contains(err.Error(), "nested deeper than") {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
	b := newLodger(t)
	patch := atomic.Pointer[string]{}
	value := strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000)
	p := `[{"op":"add","path":"/spec","value":` + value + `}]`
	patch.Store(&p)
	server := newWebhook(t, func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse { return allowed(*patch.Load()) })
	if err := post(limit(t), b.hub, b.path, crdsPath, gadgets(t.Name())); err != nil {
		t.Fatal(err)
	}
	b.changedBy("deep", server.URL, writes("gadgets"))
	await(limit(t), t, "a refusal", func() error {
		try++
		err := post(limit(t), b.hub, b.path, gadgetsPath, strings.ReplaceAll(deep, "NAME", fmt.Sprintf("g%d", try)))
		if err == nil || !strings.Contains(err.Error(), "nested deeper than") {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
}

// TestPoliciesMakeNoSeries: whatever tenants call them.
func TestPoliciesMakeNoSeries(t *testing.T) {
	a := newLodger(t)
	server := newWebhook(t, func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse { return denied("no") })
	a.requires(validates("myveryownpolicy", writes("secrets", "configmaps"), "object.metadata.name != 'vap'"))
	a.awaitRefusal(note("vap"), "myveryownpolicy")
	a.asks("myveryownhook", server.URL, writes("configmaps"), registrationv1.Fail)
	a.awaitRefusal(note("n"), "denied the request: no")
	raw, err := as(t, "shard-base").REST().Get().AbsPath("/metrics").Stream(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	metrics, err := io.ReadAll(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(metrics), "\n") {
		if strings.Contains(line, "myveryown") {
			t.Errorf("a series %s", line)
		}
	}
	if !strings.Contains(string(metrics), `apiserver_admission_webhook_request_total{code=`) {
		t.Error("webhooks are not counted at all")
	}
}
