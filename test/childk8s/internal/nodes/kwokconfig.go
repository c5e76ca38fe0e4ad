package nodes

import (
	"fmt"
	"os"
	"strings"

	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	nodeheartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
)

// podLog is what `kubectl logs` shows of every pod, in the format that container runtimes write.
const podLog = "2030-01-01T00:00:00.000000000Z stdout F This pod is simulated by kwok: it is scheduled and becomes Ready, but runs nothing.\n"

// logsObject makes kwok answer for the logs of all pods.
const logsObject = `apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterLogs
metadata:
  name: all-pods
spec:
  logs:
  - logsFile: %q
    follow: false
`

// execObject makes kwok run the commands of `kubectl exec` on this machine.
const execObject = `apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterExec
metadata:
  name: all-pods
spec:
  execs:
  - local:
      workDir: /
`

// kwokObjects is kwok's configuration: how nodes and pods behave, and what may be done to pods.
func kwokObjects(podLogFile string, allowExec bool) string {
	objects := []string{
		nodefast.DefaultNodeInit,
		nodeheartbeat.DefaultNodeHeartbeatWithLease,
		podfast.DefaultPodReady,
		podfast.DefaultPodComplete,
		podfast.DefaultPodDelete,
		fmt.Sprintf(logsObject, podLogFile),
	}
	if allowExec {
		objects = append(objects, execObject)
	}
	return strings.Join(objects, "\n---\n")
}

// writeKwokFiles writes the configuration and the log that it points at.
func writeKwokFiles(configFile, podLogFile string, allowExec bool) error {
	if err := os.WriteFile(podLogFile, []byte(podLog), 0o600); err != nil {
		return fmt.Errorf("failed to write the log of simulated pods: %w", err)
	}
	if err := os.WriteFile(configFile, []byte(kwokObjects(podLogFile, allowExec)), 0o600); err != nil {
		return fmt.Errorf("failed to write kwok's configuration: %w", err)
	}
	return nil
}
