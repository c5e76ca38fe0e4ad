package policies

import (
	"cmp"
	"slices"
	"sync"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/lru"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// keptCompiled is how many policies of a workspace are kept compiled. One with
// variables takes about 150 kB.
const keptCompiled = 256

// set is what the hub remembers for a workspace that has policies.
type set struct {
	workspace logicalcluster.Name
	models    Models
	// compiled holds policies by UID and version.
	compiled *lru.Cache

	mu       sync.Mutex
	current  *snapshot
	lastUsed time.Time
}

// snapshot is what the models hold for a workspace at one moment, put together.
// It is shared and read-only.
type snapshot struct {
	validating         []bound[*admissionregistrationv1.ValidatingAdmissionPolicy, *admissionregistrationv1.ValidatingAdmissionPolicyBinding]
	mutating           []bound[*admissionregistrationv1.MutatingAdmissionPolicy, *admissionregistrationv1.MutatingAdmissionPolicyBinding]
	validatingWebhooks []*admissionregistrationv1.ValidatingWebhookConfiguration
	mutatingWebhooks   []*admissionregistrationv1.MutatingWebhookConfiguration
}

// bound is a policy that has bindings.
type bound[P, B metav1.Object] struct {
	policy   P
	bindings []B
}

func newSet(workspace logicalcluster.Name, models Models) *set {
	return &set{workspace: workspace, models: models, compiled: lru.New(keptCompiled)}
}

// invalidate makes the next use look into the models again.
func (s *set) invalidate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = nil
}

// use returns what is in force now.
func (s *set) use(now time.Time) *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastUsed = now
	if s.current == nil {
		s.current = s.models.snapshot(s.workspace)
	}
	return s.current
}

// sweep forgets what can be made again, unless it was used after a time.
func (s *set) sweep(before time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if before.IsZero() || s.lastUsed.Before(before) {
		s.current = nil
		s.compiled.Clear()
	}
}

func (m Models) snapshot(workspace logicalcluster.Name) *snapshot {
	s := &snapshot{
		validating: bind(m.ValidatingPolicies.In(workspace), m.ValidatingBindings.In(workspace),
			func(b *admissionregistrationv1.ValidatingAdmissionPolicyBinding) string { return b.Spec.PolicyName }),
		mutating: bind(m.MutatingPolicies.In(workspace), m.MutatingBindings.In(workspace),
			func(b *admissionregistrationv1.MutatingAdmissionPolicyBinding) string { return b.Spec.PolicyName }),
	}
	for _, configuration := range byName(m.ValidatingWebhooks.In(workspace)) {
		named := *configuration
		named.Name = globalName(workspace, configuration)
		s.validatingWebhooks = append(s.validatingWebhooks, &named)
	}
	for _, configuration := range byName(m.MutatingWebhooks.In(workspace)) {
		named := *configuration
		named.Name = globalName(workspace, configuration)
		s.mutatingWebhooks = append(s.mutatingWebhooks, &named)
	}
	return s
}

// globalName tells configurations of different workspaces and versions apart:
// upstream keeps what it made of one by its name. It begins with the name, since
// they are called in this order, and is seen in audit annotations only.
func globalName(workspace logicalcluster.Name, configuration metav1.Object) string {
	return configuration.GetName() + " in " + workspace.String() + " at " + configuration.GetResourceVersion()
}

// bind puts bindings to their policies, in the order of names.
func bind[P, B metav1.Object](policies []P, bindings []B, policyOf func(B) string) []bound[P, B] {
	byPolicy := map[string][]B{}
	for _, binding := range byName(bindings) {
		byPolicy[policyOf(binding)] = append(byPolicy[policyOf(binding)], binding)
	}
	var all []bound[P, B]
	for _, policy := range byName(policies) {
		if of := byPolicy[policy.GetName()]; len(of) > 0 {
			all = append(all, bound[P, B]{policy, of})
		}
	}
	return all
}

func byName[T metav1.Object](objects []T) []T {
	slices.SortFunc(objects, func(a, b T) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return objects
}

// compiledIn returns what compile makes of a policy, which it does once while that
// is kept.
func compiledIn[T any](s *set, policy metav1.Object, compile func() T) T {
	key := string(policy.GetUID()) + "/" + policy.GetResourceVersion()
	s.mu.Lock()
	found, ok := s.compiled.Get(key)
	if !ok {
		found = sync.OnceValue(compile)
		s.compiled.Add(key, found)
	}
	s.mu.Unlock()
	return found.(func() T)()
}
