package access

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/atriumhub/atrium/pkg/identity"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// TestListedRulesAreWhatIsAllowed makes random roles, bindings and users, and
// compares for random requests the decision with the list of rules that a
// SelfSubjectRulesReview shows.
func TestListedRulesAreWhatIsAllowed(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	allowed := 0
	for range 300 {
		chain := New(randomTown(random))
		for range 20 {
			u, workspace := randomUser(random), pick(random, logicalcluster.Name("a"), "b", "c")
			ask := randomAsk(random)
			ask.User = u
			decision, _, err := chain.Authorize(in(workspace), ask)
			if err != nil {
				t.Fatal(err)
			}
			resources, _, _, err := chain.RulesFor(in(workspace), u, ask.Namespace)
			if err != nil {
				t.Fatal(err)
			}
			if listed := slices.ContainsFunc(resources, func(rule authorizer.ResourceRuleInfo) bool { return covers(rule, ask) }); listed != (decision == authorizer.DecisionAllow) {
				t.Fatalf("seed %d: %+v in %s asks %+v: %v, listed: %v", seed, u, workspace, ask, decision, listed)
			}
			if decision == authorizer.DecisionAllow {
				allowed++
			}
		}
	}
	if allowed < 100 {
		t.Errorf("seed %d: only %d requests were allowed: the test compares nothing", seed, allowed)
	}
}

func pick[T any](random *rand.Rand, of ...T) T { return of[random.IntN(len(of))] }

func covers(rule authorizer.ResourceRuleInfo, ask authorizer.AttributesRecord) bool {
	has := func(list []string, value string) bool {
		return slices.Contains(list, value) || slices.Contains(list, "*")
	}
	return has(rule.GetVerbs(), ask.Verb) && has(rule.GetAPIGroups(), ask.APIGroup) && has(rule.GetResources(), ask.Resource) &&
		(len(rule.GetResourceNames()) == 0 || slices.Contains(rule.GetResourceNames(), ask.Name))
}

func randomTown(random *rand.Rand) Config {
	roles, clusterRoles := shelf[*rbacv1.Role]{}, shelf[*rbacv1.ClusterRole]{}
	bindings, clusterBindings := shelf[*rbacv1.RoleBinding]{}, shelf[*rbacv1.ClusterRoleBinding]{}
	for _, workspace := range []logicalcluster.Name{"a", "b", "c", logicalcluster.SystemAdmin} {
		// Everybody may enter, so that a request is decided by the rules alone.
		clusterRoles[workspace] = []*rbacv1.ClusterRole{clusterRole("enter", []rbacv1.PolicyRule{entering()})}
		clusterBindings[workspace] = []*rbacv1.ClusterRoleBinding{bound("enter", aGroup(user.AllAuthenticated))}
		for i := range 3 {
			name := fmt.Sprintf("r%d", i)
			clusterRoles[workspace] = append(clusterRoles[workspace], clusterRole(name, randomRules(random)))
			clusterBindings[workspace] = append(clusterBindings[workspace], bound(name, randomSubject(random)))
			namespaced := metav1.ObjectMeta{Namespace: pick(random, "n", "m"), Name: name}
			roles[workspace] = append(roles[workspace], &rbacv1.Role{ObjectMeta: namespaced, Rules: randomRules(random)})
			bindings[workspace] = append(bindings[workspace], &rbacv1.RoleBinding{
				ObjectMeta: namespaced, Subjects: []rbacv1.Subject{randomSubject(random)},
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			})
		}
	}
	return Config{RBAC: NewRBAC(Roles{Roles: roles, RoleBindings: bindings, ClusterRoles: clusterRoles, ClusterRoleBindings: clusterBindings})}
}

func randomRules(random *rand.Rand) []rbacv1.PolicyRule {
	rule := rbacv1.PolicyRule{
		Verbs: []string{pick(random, "get", "list", "*")}, APIGroups: []string{pick(random, "", "apps", "*")}, Resources: []string{pick(random, "pods", "secrets", "*")},
	}
	if random.IntN(3) == 0 {
		rule.ResourceNames = []string{pick(random, "x", "y")}
	}
	return []rbacv1.PolicyRule{rule}
}

func randomSubject(random *rand.Rand) rbacv1.Subject {
	return pick(random,
		aUser("ann"), aUser("bob"), aGroup("devs"), aGroup("system:cluster:a"), aUser("system:kcp:serviceaccount:a:n:bot"), aUser(user.Anonymous),
		rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: "n", Name: "bot"},
	)
}

func randomUser(random *rand.Rand) *user.DefaultInfo {
	u := pick(random, person("ann"), person("bob", "devs"), person("eve"), person("system:serviceaccount:n:bot"))
	u.Extra = map[string][]string{}
	if random.IntN(2) == 0 {
		u.Extra[identity.ClusterExtraKey] = []string{pick(random, "a", "b")}
	}
	if random.IntN(4) == 0 {
		u.Extra[identity.ScopesExtraKey] = []string{pick(random, "cluster:a", "cluster:a,cluster:b", "cluster:c")}
	}
	if random.IntN(3) == 0 {
		u.Extra[identity.WarrantExtraKey] = []string{pick(random,
			`{"user":"ann"}`, `{"groups":["devs"]}`, `{"user":"bob","extra":{"authentication.kcp.io/scopes":["cluster:b"]}}`, `{`,
			`{"user":"system:serviceaccount:n:bot","extra":{"authentication.kcp.io/cluster-name":["b"]}}`, `{"user":"system:serviceaccount:n:bot"}`)}
	}
	return u
}

func randomAsk(random *rand.Rand) authorizer.AttributesRecord {
	ask := can(pick(random, "get", "list", "delete"), pick(random, "", "apps"), pick(random, "pods", "secrets"))
	ask.Namespace, ask.Name = pick(random, "", "n", "m"), pick(random, "x", "y", "z")
	return ask
}
