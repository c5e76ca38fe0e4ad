package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	tenancyv1alpha1 "github.com/atriumhub/atrium/sdk/apis/tenancy/v1alpha1"
	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// This file holds attacks on the hub that have succeeded once, or nearly.

// send makes a request just as it is written here, and returns status and body.
func send(ctx context.Context, t *testing.T, token, method, path string, body []byte, header map[string]string) (int, string) {
	t.Helper()
	config := tokenConfig(t, token)
	if _, own := header["Authorization"]; own {
		config.BearerToken = ""
	}
	config.NextProtos = []string{"http/1.1"} // HTTP/2 has no upgrades
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, method, shared.hub.baseURL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	response, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

// makeAdministrator gives somebody all rights in a workspace.
func makeAdministrator(t *testing.T, path logicalcluster.Path, name string) {
	t.Helper()
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "administrator-" + name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	}
	if _, err := as(t, "base").Kubernetes(path).RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(minute(t), t, name+" is an administrator", func() error {
		_, err := withToken(t, name+"-token").Kubernetes(path).CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{})
		return err
	})
}

// field encodes a field of a protobuf message.
func field(number uint64, payload []byte) []byte {
	encoded := binary.AppendUvarint(nil, number<<3|2)
	return append(binary.AppendUvarint(encoded, uint64(len(payload))), payload...)
}

// deepDefinition is a CustomResourceDefinition, as protobuf, whose schema says
// "not" over and over.
func deepDefinition(levels int) []byte {
	const not = 28
	var prefixes [][]byte
	size := 0
	for range levels {
		prefix := binary.AppendUvarint(binary.AppendUvarint(nil, not<<3|2), uint64(size))
		prefixes, size = append(prefixes, prefix), size+len(prefix)
	}
	slices.Reverse(prefixes)
	schema := append(field(5, []byte("object")), bytes.Join(prefixes, nil)...)
	version := slices.Concat(field(1, []byte("v1")), []byte{2 << 3, 1, 3 << 3, 1}, field(4, field(1, schema)))
	names := slices.Concat(field(1, []byte("deeps")), field(2, []byte("deep")), field(4, []byte("Deep")), field(5, []byte("DeepList")))
	spec := slices.Concat(field(1, []byte("attack.io")), field(3, names), field(4, []byte("Namespaced")), field(7, version))
	object := append(field(1, field(1, []byte("deeps.attack.io"))), field(2, spec)...)
	kind := append(field(1, []byte("apiextensions.k8s.io/v1")), field(2, []byte("CustomResourceDefinition"))...)
	return slices.Concat([]byte("k8s\x00"), field(1, kind), field(2, object))
}

// deepFields is a ConfigMap, as protobuf, of which somebody manages fields that it
// cannot have. Each time it was read took seconds.
func deepFields(levels int) []byte {
	fields := strings.Repeat(`{"f:a":`, levels) + "{}" + strings.Repeat("}", levels)
	entry := slices.Concat(field(1, []byte("x")), field(2, []byte("Update")), field(3, []byte("v1")), field(6, []byte("FieldsV1")), field(7, field(1, []byte(fields))))
	object := field(1, append(field(1, []byte("deep")), field(17, entry)...))
	kind := append(field(1, []byte("v1")), field(2, []byte("ConfigMap"))...)
	return slices.Concat([]byte("k8s\x00"), field(1, kind), field(2, object))
}

// TestDeepBodiesEndNothing: the validation of schemas follows them down as deep as
// they go, and a stack that overflows takes the whole hub along.
func TestDeepBodiesEndNothing(t *testing.T) {
	path, _ := newWorkspace(t)
	ctx := minute(t)
	definitions := path.RequestPath() + "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	maps := path.RequestPath() + "/api/v1/namespaces/default/configmaps"
	deep := `{"metadata":{"name":"deep"},"x":` + strings.Repeat(`{"a":`, 300) + `1` + strings.Repeat(`}`, 300) + `}`
	for name, c := range map[string]struct {
		method, path, kind string
		body               []byte
	}{
		"a schema in protobuf":    {http.MethodPost, definitions, "application/vnd.kubernetes.protobuf", deepDefinition(150000)},
		"JSON in protobuf":        {http.MethodPost, maps, "application/vnd.kubernetes.protobuf", deepFields(9000)},
		"JSON, shouted":           {http.MethodPost, maps, "Application/JSON; Charset=UTF-8", []byte(deep)},
		"YAML with misleading #":  {http.MethodPost, maps, "application/yaml", []byte("{ #" + strings.Repeat("]", 400) + "\n" + deep[1:])},
		"options of a collection": {http.MethodDelete, maps, "application/json", []byte(deep)},
	} {
		t.Run(name, func(t *testing.T) {
			code, answer := send(ctx, t, "alice-token", c.method, c.path, c.body, map[string]string{"Content-Type": c.kind})
			if code != http.StatusBadRequest || !strings.Contains(answer, "nested deeper") {
				t.Errorf("%d, %s; expected that it is refused for its depth", code, answer)
			}
		})
	}
	if code, answer := send(ctx, t, "alice-token", http.MethodPost, definitions, deepDefinition(5), map[string]string{"Content-Type": "application/vnd.kubernetes.protobuf"}); strings.Contains(answer, "nested deeper") {
		t.Errorf("an ordinary schema: %d, %s", code, answer)
	}
	if err := listMaps(t, withToken(t, "alice-token"), path); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestTypesOfOthersAreNotTold: what a type says is for those who may use it.
func TestTypesOfOthersAreNotTold(t *testing.T) {
	theirs, _ := newWorkspace(t)
	mine, _ := newWorkspace(t)
	ctx := minute(t)
	makeAdministrator(t, mine, "bob")
	hidden := &tenancyv1alpha1.WorkspaceType{ObjectMeta: metav1.ObjectMeta{Name: "merger"}, Spec: tenancyv1alpha1.WorkspaceTypeSpec{
		LimitAllowedParents: &tenancyv1alpha1.WorkspaceTypeSelector{Types: []tenancyv1alpha1.WorkspaceTypeReference{{Path: theirs.String(), Name: "secret-parent"}}},
	}}
	if _, err := client.WorkspaceTypes(withToken(t, "alice-token"), theirs).Create(ctx, hidden, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "the type is known", func() error {
		_, err := client.Workspaces(withToken(t, "alice-token"), theirs).Create(ctx, newTyped("x", tenancyv1alpha1.WorkspaceTypeReference{Path: theirs.String(), Name: "merger"}), metav1.CreateOptions{})
		if err == nil || !strings.Contains(err.Error(), "secret-parent") {
			return fmt.Errorf("its author is told %v", err)
		}
		return nil
	})
	refusals := map[string]string{}
	for _, name := range []string{"merger", "nothere"} {
		_, err := client.Workspaces(withToken(t, "bob-token"), mine).Create(ctx, newTyped("x", tenancyv1alpha1.WorkspaceTypeReference{Path: theirs.String(), Name: tenancyv1alpha1.WorkspaceTypeName(name)}), metav1.CreateOptions{})
		if !apierrors.IsForbidden(err) {
			t.Fatalf("%s: %v", name, err)
		}
		refusals[name] = strings.ReplaceAll(err.Error(), name, "…")
	}
	if refusals["merger"] != refusals["nothere"] {
		t.Errorf("one that exists and one that does not are told apart:\n%s\n%s", refusals["merger"], refusals["nothere"])
	}
}

// TestPatchesDoNotGrowDeep: a patch of 10 kB that copies an object into itself,
// again and again, kept a core busy for 16 seconds.
func TestPatchesDoNotGrowDeep(t *testing.T) {
	path, _ := newWorkspace(t)
	ctx := minute(t)
	at := path.RequestPath() + "/api/v1/namespaces/default/configmaps/kube-root-ca.crt"
	header := map[string]string{"Content-Type": "application/json-patch+json"}
	code, answer := send(ctx, t, "alice-token", http.MethodPatch, at, []byte(growingPatch(6)), header)
	if code != http.StatusBadRequest || !strings.Contains(answer, "nested deeper") {
		t.Errorf("%d, %s; expected that it is refused for its depth", code, answer)
	}
	modest := `[{"op":"add","path":"/metadata/labels","value":{"a":"b"}},{"op":"copy","from":"/metadata/labels/a","path":"/metadata/labels/c"}]`
	if code, answer := send(ctx, t, "alice-token", http.MethodPatch, at, []byte(modest), header); code != http.StatusOK {
		t.Errorf("an ordinary patch: %d, %s", code, answer)
	}
}

// growingPatch doubles the depth of what it adds with each operation.
func growingPatch(times int) string {
	path := "/x" + strings.Repeat("/a", 150)
	operations := []string{`{"op":"add","path":"/x","value":` + strings.Repeat(`{"a":`, 150) + `{}` + strings.Repeat(`}`, 150) + `}`}
	for range times {
		operations = append(operations, `{"op":"copy","from":"/x","path":"`+path+`/a"}`)
		path += "/a" + strings.TrimPrefix(path, "/x")
	}
	return "[" + strings.Join(operations, ",") + "]"
}

// TestNamesakesOfRoles: the role that the hub binds its administrators to is the
// hub's, in every workspace. One of the same name locked them out.
func TestNamesakesOfRoles(t *testing.T) {
	path, _ := newWorkspace(t)
	ctx := minute(t)
	alice := withToken(t, "alice-token").Kubernetes(path).RbacV1()
	own := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "mine"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}, {NonResourceURLs: []string{"*"}, Verbs: []string{"*"}},
	}}
	if _, err := alice.ClusterRoles().Create(ctx, own, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "mine"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "mine"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "alice"}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "alice does not need the hub's role", func() error {
		_, err := alice.ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "cluster-admin"}}, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			err = nil
		}
		return err
	})
	await(ctx, t, "the namesake is known: it is what alice's own bindings mean", func() error {
		if err := alice.ClusterRoleBindings().Delete(ctx, "mine", metav1.DeleteOptions{}); err != nil && !apierrors.IsForbidden(err) {
			return err
		}
		if err := listMaps(t, withToken(t, "alice-token"), path); !apierrors.IsForbidden(err) {
			return fmt.Errorf("alice is let in: %w", err)
		}
		return nil
	})
	if err := listMaps(t, hubOf(t, certified(t, fresh("operator"), "system:kcp:admin")), path); err != nil {
		t.Errorf("an administrator of the hub: %v", err)
	}
}

// TestGeneratedNames: the address of a workspace has its name in it.
func TestGeneratedNames(t *testing.T) {
	path, _ := newWorkspace(t)
	made, err := client.Workspaces(withToken(t, "alice-token"), path).Create(minute(t), &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := path.Join(made.Name).RequestPath(); !strings.HasPrefix(made.Name, "team-") || !strings.HasSuffix(made.Spec.URL, want) {
		t.Errorf("workspace %q is at %q", made.Name, made.Spec.URL)
	}
}

// TestThePathOfATypeChangesHands: whoever gets the path of a platform that was
// deleted must not decide what its customers make from then on.
func TestThePathOfATypeChangesHands(t *testing.T) {
	platform, made := newWorkspace(t)
	home, _ := newWorkspace(t)
	ctx := minute(t)
	alice, bob := withToken(t, "alice-token"), withToken(t, "bob-token")
	org := tenancyv1alpha1.WorkspaceTypeReference{Path: platform.String(), Name: "org"}
	universal := tenancyv1alpha1.WorkspaceTypeExtension{With: []tenancyv1alpha1.WorkspaceTypeReference{{Path: "root", Name: "universal"}}}
	if _, err := client.WorkspaceTypes(alice, platform).Create(ctx, &tenancyv1alpha1.WorkspaceType{ObjectMeta: metav1.ObjectMeta{Name: "org"}, Spec: tenancyv1alpha1.WorkspaceTypeSpec{Extend: universal}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, "the type is known", func() error {
		_, err := client.Workspaces(alice, home).Create(ctx, newTyped("customer", org), metav1.CreateOptions{})
		return err
	})
	awaitIn(ctx, t, home, "customer", func(w *tenancyv1alpha1.Workspace) error {
		if w.Status.Phase != "Ready" {
			return fmt.Errorf("in phase %s", w.Status.Phase)
		}
		return nil
	})

	remove(t, made.Name)
	awaitGone(t, made.Name)
	if _, err := client.Workspaces(as(t, "base"), "root").Create(ctx, &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: made.Name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	awaitReady(ctx, t, as(t, "base"), made.Name)
	makeAdministrator(t, platform, "bob")
	trap := tenancyv1alpha1.WorkspaceTypeReference{Path: platform.String(), Name: "trap"}
	for name, spec := range map[string]tenancyv1alpha1.WorkspaceTypeSpec{"trap": {Extend: universal, Initializer: true}, "org": {Extend: universal, DefaultChildWorkspaceType: &trap}} {
		if _, err := client.WorkspaceTypes(bob, platform).Create(ctx, &tenancyv1alpha1.WorkspaceType{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	grant(t, bob, platform, "use", []rbacv1.PolicyRule{{APIGroups: []string{"tenancy.kcp.io"}, Resources: []string{"workspacetypes"}, Verbs: []string{"use"}}},
		rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:authenticated"})
	await(ctx, t, "the trap can be used", func() error {
		_, err := client.Workspaces(alice, home).Create(ctx, newTyped("trapped", trap), metav1.CreateOptions{})
		return err
	})

	child, err := client.Workspaces(alice, home.Join("customer")).Create(ctx, &tenancyv1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "child"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := (tenancyv1alpha1.WorkspaceTypeReference{Path: "root", Name: "universal"}); *child.Spec.Type != want {
		t.Errorf("it is of type %s, expected %s", child.Spec.Type, want)
	}
}
