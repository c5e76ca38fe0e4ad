package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const ownedPolicy = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: owned}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}
  validations:
  - expression: "'team' in object.metadata.?labels.orValue({})"
    messageExpression: "object.metadata.name + ' needs the label team'"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: owned}
spec: {policyName: owned, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: stamped}
spec:
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: "Object{metadata: Object.metadata{annotations: {'stamped': 'yes'}}}"
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: stamped}
spec: {policyName: stamped}
`

// TestPoliciesWithKubectl writes policies down, and is told by them what is wrong.
func TestPoliciesWithKubectl(t *testing.T) {
	t.Parallel()
	hub := theHub(t)
	login := hub.login(t, hub.workspace(t, root, "policies"))
	made := must(world.KubectlInput(limit(t), login, ownedPolicy, "create", "-f", "-"))(t)
	mentions(t, made, "validatingadmissionpolicy.admissionregistration.k8s.io/owned created", "mutatingadmissionpolicybinding.admissionregistration.k8s.io/stamped created")
	refusal := ""
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline) && !strings.Contains(refusal, "owned"); {
		out, err := world.Kubectl(limit(t), login, "create", "configmap", "bare", "--dry-run=server")
		refusal = fmt.Sprint(out, err)
	}
	mentions(t, refusal, `configmaps "bare" is forbidden: ValidatingAdmissionPolicy 'owned' with binding 'owned' denied request: bare needs the label team`)
	labelled := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: labelled, labels: {team: web}}\n"
	must(world.KubectlInput(limit(t), login, labelled, "apply", "-f", "-"))(t)
	mentions(t, kubectl(t, login, "get", "configmap", "labelled", "-o", "yaml"), "stamped: \"yes\"")
	mentions(t, kubectl(t, login, "get", "validatingadmissionpolicies,mutatingadmissionpolicies"), "owned", "stamped")
	mentions(t, kubectl(t, login, "explain", "validatingadmissionpolicy.spec.validations"), "messageExpression")
	must(world.KubectlInput(limit(t), login, ownedPolicy, "delete", "-f", "-"))(t)
	kubectl(t, login, "apply", "view-last-applied", "configmap", "labelled")
}
