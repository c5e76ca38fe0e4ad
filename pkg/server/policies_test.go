package server

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	registrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	registrationclient "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// lodger is a user in a workspace.
type lodger struct {
	*testing.T
	hub  *client.Hub
	path logicalcluster.Path
	// id is the workspace's.
	id, name string
}

// newLodger makes a workspace, which alice administers.
func newLodger(t *testing.T) lodger {
	t.Helper()
	path, workspace := newWorkspace(t)
	return lodger{t, withToken(t, "alice-token"), path, workspace.Spec.Cluster, workspace.Name}
}

func (t lodger) policies() registrationclient.AdmissionregistrationV1Interface {
	return t.hub.Kubernetes(t.path).AdmissionregistrationV1()
}

// writes is a rule for creating and changing a resource of any group and version.
func writes(resources ...string) registrationv1.RuleWithOperations {
	return registrationv1.RuleWithOperations{
		Operations: []registrationv1.OperationType{registrationv1.Create, registrationv1.Update},
		Rule:       registrationv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: resources},
	}
}

func about(rule registrationv1.RuleWithOperations) *registrationv1.MatchResources {
	return &registrationv1.MatchResources{ResourceRules: []registrationv1.NamedRuleWithOperations{{RuleWithOperations: rule}}}
}

// validates is a policy with one expression.
func validates(name string, rule registrationv1.RuleWithOperations, expression string) *registrationv1.ValidatingAdmissionPolicy {
	return &registrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: registrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: about(rule),
		Validations:      []registrationv1.Validation{{Expression: expression, Message: name + " says no"}},
	}}
}

// requires makes a policy and binds it.
func (t lodger) requires(policy *registrationv1.ValidatingAdmissionPolicy) {
	t.Helper()
	must(t.policies().ValidatingAdmissionPolicies().Create(limit(t.T), policy, metav1.CreateOptions{}))(t.T)
	must(t.policies().ValidatingAdmissionPolicyBindings().Create(limit(t.T), &registrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: policy.Name},
		Spec:       registrationv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: policy.Name, ValidationActions: []registrationv1.ValidationAction{registrationv1.Deny}},
	}, metav1.CreateOptions{}))(t.T)
}

// mutates makes a policy with one mutation and binds it.
func (t lodger) mutates(name string, rule registrationv1.RuleWithOperations, mutation registrationv1.Mutation) {
	t.Helper()
	must(t.policies().MutatingAdmissionPolicies().Create(limit(t.T), &registrationv1.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: registrationv1.MutatingAdmissionPolicySpec{
			MatchConstraints: about(rule), Mutations: []registrationv1.Mutation{mutation}, ReinvocationPolicy: registrationv1.NeverReinvocationPolicy,
		},
	}, metav1.CreateOptions{}))(t.T)
	must(t.policies().MutatingAdmissionPolicyBindings().Create(limit(t.T), &registrationv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: registrationv1.MutatingAdmissionPolicyBindingSpec{PolicyName: name},
	}, metav1.CreateOptions{}))(t.T)
}

func applies(expression string) registrationv1.Mutation {
	return registrationv1.Mutation{PatchType: registrationv1.PatchTypeApplyConfiguration, ApplyConfiguration: &registrationv1.ApplyConfiguration{Expression: expression}}
}

func patches(expression string) registrationv1.Mutation {
	return registrationv1.Mutation{PatchType: registrationv1.PatchTypeJSONPatch, JSONPatch: &registrationv1.JSONPatch{Expression: expression}}
}

// note is a ConfigMap.
func note(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
}

func (t lodger) write(object *corev1.ConfigMap) (*corev1.ConfigMap, error) {
	t.Helper()
	return t.hub.Kubernetes(t.path).CoreV1().ConfigMaps(object.Namespace).Create(limit(t.T), object, metav1.CreateOptions{})
}

// tries says what would become of an object, without storing it.
func (t lodger) tries(object *corev1.ConfigMap) (*corev1.ConfigMap, error) {
	t.Helper()
	return t.hub.Kubernetes(t.path).CoreV1().ConfigMaps(object.Namespace).Create(limit(t.T), object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}

// awaitRefusal waits until a write is refused for a reason.
func (t lodger) awaitRefusal(object *corev1.ConfigMap, says string) {
	t.Helper()
	began := time.Now()
	await(limit(t.T), t.T, "a refusal that says "+says, func() error {
		if _, err := t.tries(object); err == nil || !strings.Contains(err.Error(), says) {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v until the policy was in force", took)
	}
}

// awaitChange waits until a write comes out with a label.
func (t lodger) awaitChange(object *corev1.ConfigMap, label, value string) {
	t.Helper()
	await(limit(t.T), t.T, "the label "+label, func() error {
		if got, err := t.tries(object); err != nil || got.Labels[label] != value {
			return fmt.Errorf("%v, %v", got.Labels, err)
		}
		return nil
	})
}

// judgeServer is a server of a tenant that judges.
type judgeServer struct {
	*httptest.Server
	asked atomic.Int32
}

func newWebhook(t *testing.T, answer func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse) *judgeServer {
	t.Helper()
	return newWebhookServer(t, func(w http.ResponseWriter, req *http.Request) {
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(req.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if given := req.Header.Get("Authorization"); given != "" || len(req.TLS.PeerCertificates) > 0 {
			t.Errorf("the hub showed its credentials: %q", given)
		}
		review.Response = answer(review.Request)
		review.Response.UID = review.Request.UID
		review.Request = nil
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(review)
	})
}

func newWebhookServer(t *testing.T, serve http.HandlerFunc) *judgeServer {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(allowedAddress, "0"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := shared.hub.authority.Serving("test-webhook", []string{allowedAddress})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	w := &judgeServer{}
	w.Server = &httptest.Server{
		Listener: listener, TLS: &tls.Config{Certificates: []tls.Certificate{certificate}},
		Config: &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			w.asked.Add(1)
			serve(rw, req)
		})},
	}
	w.StartTLS()
	t.Cleanup(w.Close)
	return w
}

// newHangingWebhook never answers.
func newHangingWebhook(t *testing.T) *judgeServer {
	t.Helper()
	gone := make(chan struct{})
	server := newWebhookServer(t, func(_ http.ResponseWriter, req *http.Request) {
		select {
		case <-req.Context().Done():
		case <-gone:
		}
	})
	t.Cleanup(func() { close(gone) }) // before the server waits for its handlers
	return server
}

func hookAt(url string) registrationv1.WebhookClientConfig {
	return registrationv1.WebhookClientConfig{URL: &url, CABundle: shared.hub.authority.PEM()}
}

func to[T any](value T) *T { return &value }

// asks makes a validating webhook.
func (t lodger) asks(name, url string, rule registrationv1.RuleWithOperations, failure registrationv1.FailurePolicyType, change ...func(*registrationv1.ValidatingWebhook)) {
	t.Helper()
	hook := registrationv1.ValidatingWebhook{
		Name: name + ".example.io", ClientConfig: hookAt(url), Rules: []registrationv1.RuleWithOperations{rule}, FailurePolicy: &failure,
		SideEffects: to(registrationv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"}, TimeoutSeconds: to[int32](5),
	}
	for _, f := range change {
		f(&hook)
	}
	must(t.policies().ValidatingWebhookConfigurations().Create(limit(t.T), &registrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Webhooks: []registrationv1.ValidatingWebhook{hook},
	}, metav1.CreateOptions{}))(t.T)
}

// changedBy makes a mutating webhook.
func (t lodger) changedBy(name, url string, rule registrationv1.RuleWithOperations) {
	t.Helper()
	must(t.policies().MutatingWebhookConfigurations().Create(limit(t.T), &registrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Webhooks: []registrationv1.MutatingWebhook{{
			Name: name + ".example.io", ClientConfig: hookAt(url), Rules: []registrationv1.RuleWithOperations{rule}, FailurePolicy: to(registrationv1.Fail),
			SideEffects: to(registrationv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"}, TimeoutSeconds: to[int32](5),
		}},
	}, metav1.CreateOptions{}))(t.T)
}

func allowed(patch string) *admissionv1.AdmissionResponse {
	response := &admissionv1.AdmissionResponse{Allowed: true}
	if patch != "" {
		response.Patch, response.PatchType = []byte(patch), to(admissionv1.PatchTypeJSONPatch)
	}
	return response
}

func denied(message string) *admissionv1.AdmissionResponse {
	return &admissionv1.AdmissionResponse{Result: &metav1.Status{Message: message}}
}

func TestValidatingPolicies(t *testing.T) {
	a := newLodger(t)
	a.requires(validates("owned", writes("configmaps"), `has(object.data) && 'owner' in object.data`))
	a.awaitRefusal(note("bare"), `configmaps "bare" is forbidden: ValidatingAdmissionPolicy 'owned' with binding 'owned' denied request: owned says no`)
	owned := note("owned")
	owned.Data = map[string]string{"owner": "alice"}
	got := must(a.write(owned))(a.T)
	delete(got.Data, "owner")
	if _, err := a.hub.Kubernetes(a.path).CoreV1().ConfigMaps("default").Update(limit(t), got, metav1.UpdateOptions{}); !apierrors.IsInvalid(err) {
		t.Errorf("an update is not judged: %v", err)
	}
	if err := a.policies().ValidatingAdmissionPolicyBindings().Delete(limit(t), "owned", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	await(limit(t), t, "the policy without its binding", func() error { _, err := a.tries(note("bare")); return err })
}

func TestPoliciesSeeWhereAndWho(t *testing.T) {
	a := newLodger(t)
	a.requires(validates("located", writes("configmaps"), fmt.Sprintf(
		`object.metadata.annotations['kcp.io/cluster'] == '%s' && request.userInfo.username == 'alice' && namespaceObject.metadata.name == 'default'
		&& authorizer.group('').resource('secrets').namespace('default').check('get').allowed()
		&& !authorizer.serviceAccount('default', 'default').group('').resource('secrets').namespace('default').check('get').allowed()`, a.id)))
	a.requires(validates("second", writes("configmaps"), `false`))
	// Only the other one refuses.
	await(limit(t), t, "a refusal", func() error {
		if _, err := a.tries(note("n")); err == nil || !strings.Contains(err.Error(), "second says no") || strings.Contains(err.Error(), "located") {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
}

func TestParamsLieBesideTheirPolicy(t *testing.T) {
	a := newLodger(t)
	policy := validates("bounded", writes("configmaps"), `size(object.data) <= int(params.data.most)`)
	policy.Spec.ParamKind = &registrationv1.ParamKind{APIVersion: "v1", Kind: "ConfigMap"}
	policy.Spec.MatchConstraints.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: "default"}}
	must(a.policies().ValidatingAdmissionPolicies().Create(limit(t), policy, metav1.CreateOptions{}))(a.T)
	must(a.policies().ValidatingAdmissionPolicyBindings().Create(limit(t), &registrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bounded"},
		Spec: registrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: "bounded", ValidationActions: []registrationv1.ValidationAction{registrationv1.Deny},
			ParamRef: &registrationv1.ParamRef{Name: "bounds", Namespace: "kube-system", ParameterNotFoundAction: to(registrationv1.DenyAction)},
		},
	}, metav1.CreateOptions{}))(a.T)
	two := note("two")
	two.Data = map[string]string{"a": "1", "b": "2"}
	a.awaitRefusal(two, "no params found")
	bounds := note("bounds")
	bounds.Namespace, bounds.Data = "kube-system", map[string]string{"most": "1"}
	bounds = must(a.write(bounds))(a.T)
	a.awaitRefusal(two, "bounded says no")
	bounds.Data["most"] = "2"
	must(a.hub.Kubernetes(a.path).CoreV1().ConfigMaps("kube-system").Update(limit(t), bounds, metav1.UpdateOptions{}))(a.T)
	must(a.tries(two))(a.T) // at once
}

// TestParamsHaveToBeReadable: a policy tells its author what he cannot read.
func TestParamsHaveToBeReadable(t *testing.T) {
	a := newLodger(t)
	rbac := a.hub.Kubernetes(a.path).RbacV1()
	must(rbac.ClusterRoles().Create(limit(t), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "policies"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"admissionregistration.k8s.io"}, Resources: []string{"*"}, Verbs: []string{"*"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list"}},
		{NonResourceURLs: []string{"/"}, Verbs: []string{"access"}},
	}}, metav1.CreateOptions{}))(a.T)
	must(rbac.ClusterRoleBindings().Create(limit(t), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bob"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "policies"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "bob"}},
	}, metav1.CreateOptions{}))(a.T)
	bob := withToken(t, "bob-token").Kubernetes(a.path).AdmissionregistrationV1().ValidatingAdmissionPolicies()
	of := func(kind string) error {
		policy := validates("params-"+strings.ToLower(kind), writes("configmaps"), `true`)
		policy.Spec.ParamKind = &registrationv1.ParamKind{APIVersion: "v1", Kind: kind}
		_, err := bob.Create(limit(t), policy, metav1.CreateOptions{})
		return err
	}
	await(limit(t), t, "params that bob may read", func() error { return of("ConfigMap") })
	if err := of("Secret"); err == nil || !strings.Contains(err.Error(), `must have "get" permission on all objects of the referenced paramKind`) {
		t.Errorf("params that bob may not read: %v", err)
	}
}

func TestMutatingPolicies(t *testing.T) {
	a := newLodger(t)
	a.mutates("applied", writes("configmaps"), applies(`Object{metadata: Object.metadata{labels: {"applied": "yes"}}}`))
	a.mutates("patched", writes("configmaps"), patches(`[JSONPatch{op: "add", path: "/metadata/labels/patched", value: object.metadata.labels["applied"]}]`))
	a.awaitChange(note("n"), "patched", "yes")
	n := note("n")
	n.Data = map[string]string{"a": "b"}
	if got := must(a.write(n))(a.T); got.Labels["applied"] != "yes" || len(got.ManagedFields) != 1 {
		t.Errorf("stored: %v, %v", got.Labels, got.ManagedFields)
	}
}

func TestMutatingPoliciesOfCustomResources(t *testing.T) {
	a := newLodger(t)
	if err := post(limit(t), a.hub, a.path, crdsPath, gadgets(t.Name())); err != nil {
		t.Fatal(err)
	}
	a.mutates("sized", writes("gadgets"), applies(`Object{spec: Object.spec{size: 3}}`))
	try := 0
	await(limit(t), t, "a gadget with a size", func() error {
		try++
		name := fmt.Sprintf("g%d", try)
		if err := post(limit(t), a.hub, a.path, gadgetsPath, gadget(name)); err != nil {
			return err
		}
		got, err := a.hub.Dynamic(a.path).Resource(gadgetsGVR).Namespace("default").Get(limit(t), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if spec, _ := got.Object["spec"].(map[string]any); spec["size"] != int64(3) {
			return fmt.Errorf("got %v", got.Object)
		}
		return nil
	})
}

func TestValidatingWebhooks(t *testing.T) {
	a := newLodger(t)
	server := newWebhook(t, func(req *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
		var object corev1.ConfigMap
		if err := json.Unmarshal(req.Object.Raw, &object); err != nil {
			return denied(err.Error())
		}
		if object.Data["ok"] != "" {
			return allowed("")
		}
		return denied(fmt.Sprintf("%s writes %s in %s", req.UserInfo.Username, req.Name, object.Annotations[logicalcluster.AnnotationKey]))
	})
	a.asks("judge", server.URL, writes("configmaps"), registrationv1.Fail)
	a.awaitRefusal(note("n"), fmt.Sprintf(`admission webhook "judge.example.io" denied the request: alice writes n in %s`, a.id))
	good := note("good")
	good.Data = map[string]string{"ok": "yes"}
	must(a.write(good))(a.T)
	if got, _ := a.hub.Kubernetes(a.path).CoreV1().ConfigMaps("default").Get(limit(t), "good", metav1.GetOptions{}); len(got.ManagedFields) != 1 || strings.Contains(string(got.ManagedFields[0].FieldsV1.Raw), "kcp.io") {
		t.Errorf("the annotation for the webhook was stored as alice's: %v", got.ManagedFields)
	}
}

func TestMutatingWebhooks(t *testing.T) {
	a := newLodger(t)
	first := newWebhook(t, func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
		return allowed(`[{"op":"add","path":"/metadata/labels","value":{"first":"yes"}}]`)
	})
	second := newWebhook(t, func(req *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
		if !strings.Contains(string(req.Object.Raw), `"first":"yes"`) {
			return denied("the second comes before the first")
		}
		return allowed(`[{"op":"add","path":"/metadata/labels/second","value":"yes"}]`)
	})
	a.changedBy("a", first.URL, writes("configmaps"))
	a.changedBy("b", second.URL, writes("configmaps"))
	a.awaitChange(note("n"), "second", "yes")
	a.requires(validates("judged-after", writes("configmaps"), `!('second' in object.metadata.labels)`))
	a.awaitRefusal(note("n"), "judged-after says no")
}

// TestPoliciesStayInTheirWorkspace: one that is about everything changes nothing
// for others.
func TestPoliciesStayInTheirWorkspace(t *testing.T) {
	a, b := newLodger(t), newLodger(t)
	everything := registrationv1.RuleWithOperations{
		Operations: []registrationv1.OperationType{registrationv1.OperationAll},
		Rule:       registrationv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*/*"}},
	}
	server := newWebhook(t, func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse { return denied("nothing at all") })
	a.asks("no", server.URL, everything, registrationv1.Fail)
	a.requires(validates("never", everything, `false`))
	a.mutates("mine", everything, applies(`Object{metadata: Object.metadata{labels: {"mine": "yes"}}}`))
	a.awaitRefusal(note("n"), "never says no")
	before := server.asked.Load()
	if got := must(b.write(note("n")))(b.T); got.Labels["mine"] != "" {
		t.Errorf("a policy of another workspace changed %v", got.Labels)
	}
	must(client.Workspaces(as(t, "base"), b.path).Create(limit(t), &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "below"}}, metav1.CreateOptions{}))(b.T)
	if server.asked.Load() != before {
		t.Error("a webhook of another workspace was asked")
	}
}

// TestPoliciesCanBeMended: a tenant who forbids himself everything can take that
// back, and his workspace can be deleted.
func TestPoliciesCanBeMended(t *testing.T) {
	a := newLodger(t)
	everything := registrationv1.RuleWithOperations{
		Operations: []registrationv1.OperationType{registrationv1.OperationAll},
		Rule:       registrationv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*/*"}},
	}
	a.requires(validates("never", everything, `false`))
	a.asks("nobody", "https://"+net.JoinHostPort(allowedAddress, "1"), everything, registrationv1.Fail)
	a.awaitRefusal(note("n"), "never says no")
	if err := a.policies().ValidatingAdmissionPolicies().Delete(limit(t), "never", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	a.awaitRefusal(note("n"), `failed calling webhook "nobody.example.io"`)
	if _, err := as(t, "shard-base").Kubernetes(a.path).CoreV1().ConfigMaps("default").Create(limit(t), note("operator"), metav1.CreateOptions{}); err == nil {
		t.Error("an operator is not judged")
	}
	remove(t, a.name)
	awaitGone(t, a.name)
	await(limit(t), t, "the hub forgets", func() error {
		if set, ok := shared.hub.policies.Known(logicalcluster.Name(a.id)); ok {
			return fmt.Errorf("it knows %v", set)
		}
		return nil
	})
	if left := keysOf(t, a.id); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWebhooksThatCannotBeCalled(t *testing.T) {
	a := newLodger(t)
	_, err := a.policies().ValidatingWebhookConfigurations().Create(limit(t), &registrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "service"}, Webhooks: []registrationv1.ValidatingWebhook{{
			Name: "service.example.io", ClientConfig: registrationv1.WebhookClientConfig{Service: &registrationv1.ServiceReference{Namespace: "default", Name: "judge"}},
			SideEffects: to(registrationv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
		}},
	}, metav1.CreateOptions{})
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "webhooks[0].clientConfig.service: Forbidden: the webhook is the Service default/judge, and in a hub there are no pods behind services: give it a url") {
		t.Errorf("a service: %v", err)
	}
	for name, url := range map[string]string{
		"loopback": shared.hub.URL(), "link-local": "https://169.254.169.254/latest", "private": "https://10.0.0.1/",
	} {
		a.asks(name, url, writes("configmaps"), registrationv1.Fail, func(w *registrationv1.ValidatingWebhook) {
			w.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"to": name}}
		})
		a.asks(name+"-ignored", url, writes("configmaps"), registrationv1.Ignore, func(w *registrationv1.ValidatingWebhook) {
			w.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"to": name + "-ignored"}}
		})
		n := note("n")
		n.Labels = map[string]string{"to": name}
		a.awaitRefusal(n, "which the hub does not call for a tenant; its operator can allow that with --tenant-egress-allow")
		n.Labels["to"] = name + "-ignored"
		must(a.tries(n))(a.T)
	}
}

// TestWebhooksThatHang: they hold up their own workspace's writes, for as long as
// they say, and nobody else's.
func TestWebhooksThatHang(t *testing.T) {
	a, b := newLodger(t), newLodger(t)
	server := newHangingWebhook(t)
	a.asks("hangs", server.URL, writes("configmaps"), registrationv1.Fail, func(w *registrationv1.ValidatingWebhook) { w.TimeoutSeconds = to[int32](4) })
	await(limit(t), t, "a call that times out", func() error {
		if _, err := a.tries(note("n")); err == nil || !strings.Contains(err.Error(), "deadline exceeded") {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
	const waiting = 40
	outcomes := make(chan error, waiting)
	for range waiting {
		go func() {
			_, err := a.hub.Kubernetes(a.path).CoreV1().ConfigMaps("default").Create(t.Context(), note("n"), metav1.CreateOptions{})
			outcomes <- err
		}()
	}
	worst := time.Duration(0)
	for i := range 20 {
		began := time.Now()
		must(b.write(note(fmt.Sprintf("n%d", i))))(b.T)
		worst = max(worst, time.Since(began))
	}
	if worst > 3*time.Second {
		t.Errorf("a write elsewhere took %v", worst)
	}
	tooMany := 0
	for range waiting {
		switch err := <-outcomes; {
		case err == nil:
			t.Error("a write was not judged")
		case strings.Contains(err.Error(), "too many calls of webhooks are under way"):
			tooMany++
		}
	}
	if tooMany == 0 || tooMany == waiting {
		t.Errorf("of %d calls %d were too many", waiting, tooMany)
	}
}

// TestWebhooksThatLie: what they make of an object is no more than what its client
// could have sent.
func TestWebhooksThatLie(t *testing.T) {
	a := newLodger(t)
	patch := atomic.Pointer[string]{}
	server := newWebhook(t, func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse { return allowed(*patch.Load()) })
	lie := func(p string) { patch.Store(&p) }
	lie(`[{"op":"add","path":"/metadata/labels","value":{"ready":"yes"}}]`)
	a.changedBy("liar", server.URL, writes("configmaps", "workspaces"))
	a.awaitChange(note("n"), "ready", "yes")

	lie(`[{"op":"add","path":"/metadata/annotations","value":{"kcp.io/cluster":"root","experimental.tenancy.kcp.io/owner":"{}"}},{"op":"add","path":"/metadata/uid","value":"mine"},
		{"op":"add","path":"/metadata/labels","value":{"state.workload.kcp.io/abc":"Sync","claimed.internal.apis.kcp.io/abc":"x"}}]`)
	got := must(a.write(note("lied")))(a.T)
	if got.Annotations[logicalcluster.AnnotationKey] != a.id || got.UID == "mine" || got.Labels["state.workload.kcp.io/abc"] != "" {
		t.Errorf("stored %v, %v, %v", got.Annotations, got.Labels, got.UID)
	}
	if left := keysOf(t, "/configmaps/root/default/lied"); len(left) > 0 {
		t.Errorf("it was stored elsewhere: %v", left)
	}

	// The hub judges a Workspace as it comes out: its type has to be one that alice
	// may use, and its owner is alice.
	lie(`[{"op":"add","path":"/spec/type","value":{"name":"nobody-has-it","path":"root"}}]`)
	make := func(name string) (*tenancyv1alpha1.Workspace, error) {
		return client.Workspaces(a.hub, a.path).Create(limit(t), &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	}
	if _, err := make("typed"); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "nobody-has-it") {
		t.Errorf("another type: %v", err)
	}
	lie(`[{"op":"add","path":"/metadata/annotations","value":{"experimental.tenancy.kcp.io/owner":"{\"username\":\"bob\"}"}}]`)
	if got, err := make("owned"); err != nil || !strings.Contains(got.Annotations["experimental.tenancy.kcp.io/owner"], `"username":"alice"`) {
		t.Errorf("another owner: %v, %v", got.Annotations, err)
	}

	for name, answer := range map[string]http.HandlerFunc{
		"no review": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") },
		"redirect": func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "http://127.0.0.1/", http.StatusTemporaryRedirect)
		},
		"wait": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "later", http.StatusTooManyRequests)
		},
		"endless": func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"`)
			for req.Context().Err() == nil {
				if _, err := fmt.Fprint(w, strings.Repeat("a", 1<<16)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, liar := newLodger(t), newWebhookServer(t, answer)
			b.asks("liar", liar.URL, writes("configmaps"), registrationv1.Fail)
			b.awaitRefusal(note("n"), `failed calling webhook "liar.example.io"`)
			before := liar.asked.Load()
			b.tries(note("n"))
			if asked := liar.asked.Load() - before; asked != 1 {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

// TestPoliciesThatCostTooMuch end, and nobody else waits.
func TestPoliciesThatCostTooMuch(t *testing.T) {
	a, b := newLodger(t), newLodger(t)
	a.requires(validates("bomb", writes("configmaps"), `object.data.list.split(',').all(x, object.data.list.split(',').all(y, object.data.list.split(',').all(z, x + y + z != 'never')))`))
	heavy := note("heavy")
	heavy.Data = map[string]string{"list": strings.Repeat("a,", 2000)}
	await(limit(t), t, "a refusal", func() error {
		if _, err := a.tries(heavy); err == nil || !strings.Contains(err.Error(), "exceed") {
			return fmt.Errorf("got %v", err)
		}
		return nil
	})
	must(b.write(note("n")))(b.T)
}

// TestAnotherWorkspacesServiceAccountIsNoNamesake in the eyes of policies.
func TestAnotherWorkspacesServiceAccountIsNoNamesake(t *testing.T) {
	a, b := newLodger(t), newLodger(t)
	a.requires(validates("only", writes("configmaps"), `request.userInfo.username == 'system:serviceaccount:default:default'`))
	a.awaitRefusal(note("n"), "only says no")
	account := withToken(t, tokenOf(t, b.hub, b.path))
	must(a.hub.Kubernetes(a.path).RbacV1().ClusterRoleBindings().Create(limit(t), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "guest"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "system:kcp:serviceaccount:" + b.id + ":default:default"}},
	}, metav1.CreateOptions{}))(a.T)
	guest := lodger{t, account, a.path, a.id, a.name}
	guest.awaitRefusal(note("n"), "only says no")
	own := lodger{t, withToken(t, tokenOf(t, a.hub, a.path)), a.path, a.id, a.name}
	if _, err := own.tries(note("n")); err != nil && strings.Contains(err.Error(), "only says no") {
		t.Errorf("its own: %v", err)
	}
}
