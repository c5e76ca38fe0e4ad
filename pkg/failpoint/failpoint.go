package failpoint

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
)

// Env is the variable that arms a point: "<point>@<subject>".
const Env = "ATRIUM_FAILPOINT"

// Step is something that is done to storage. It has a point before and one after.
type Step string

// Steps of the life of a workspace. The subject is its ID, or where there is none,
// the name of the object.
const (
	CreateContent    Step = "create-content"
	CreateCluster    Step = "create-cluster"
	AmendCluster     Step = "amend-cluster"
	AmendWorkspace   Step = "amend-workspace"
	DeleteWorkspace  Step = "delete-workspace"
	DeleteObject     Step = "delete-object"
	PurgeObjects     Step = "purge-objects"
	PurgeDefinitions Step = "purge-definitions"
	PurgeCluster     Step = "purge-cluster"
	Release          Step = "release"
)

// Steps are all steps, in the order of a life.
var Steps = []Step{
	CreateContent, CreateCluster, AmendCluster, AmendWorkspace,
	DeleteWorkspace, DeleteObject, PurgeObjects, PurgeDefinitions, PurgeCluster, Release,
}

// Steps of publishing. The subject is the ID of the workspace that is published to,
// or, of the last, the name of the publication.
const (
	CreateBinding      Step = "create-binding"
	AmendBinding       Step = "amend-binding"
	DeleteBinding      Step = "delete-binding"
	OpenPublished      Step = "open-published"
	ReleasePublication Step = "release-publication"
)

// PublishingSteps are all steps of publishing.
var PublishingSteps = []Step{CreateBinding, AmendBinding, DeleteBinding, OpenPublished, ReleasePublication}

// Steps of rewriting objects in another version. The subject is the name of the
// object, or the ID of the workspace.
const (
	RewriteObject        Step = "rewrite-object"
	AmendStorageVersions Step = "amend-storage-versions"
)

// MigrationSteps are both.
var MigrationSteps = []Step{RewriteObject, AmendStorageVersions}

// Steps of the adoption of a definition. The subject is the ID of its workspace.
const (
	MarkAdopted   Step = "mark-adopted"
	MoveAdopted   Step = "move-adopted"
	BindAdopted   Step = "bind-adopted"
	RemoveAdopted Step = "remove-adopted"
)

// AdoptionSteps are all steps of an adoption, in order.
var AdoptionSteps = []Step{MarkAdopted, MoveAdopted, BindAdopted, RemoveAdopted}

// Before and After are the two points of a step.
func (s Step) Before() string { return "before-" + string(s) }

// After is the point when the step has been done.
func (s Step) After() string { return "after-" + string(s) }

// Points are all points that can be armed.
func Points() []string {
	var points []string
	for _, step := range slices.Concat(Steps, PublishingSteps, MigrationSteps, AdoptionSteps) {
		points = append(points, step.Before(), step.After())
	}
	return points
}

// armed is what Env says.
var armed = os.Getenv(Env)

// Armed returns what is armed, "" if nothing is. The error says that it is
// nothing there is.
func Armed() (string, error) { return armed, check(armed) }

func check(value string) error {
	if value == "" {
		return nil
	}
	point, subject, _ := strings.Cut(value, "@")
	if !slices.Contains(Points(), point) || subject == "" {
		return fmt.Errorf("%s=%s names no point: write <point>@<subject> with one of the points %s", Env, value, strings.Join(Points(), ", "))
	}
	return nil
}

// Around does one step for a subject, unless the process is to end before or after
// it. A step that fails has no after.
func Around(step Step, subject string, do func() error) error {
	hit(step.Before(), subject)
	err := do()
	if err == nil {
		hit(step.After(), subject)
	}
	return err
}

func hit(point, subject string) {
	if armed != "" && armed == point+"@"+subject {
		die()
	}
}

// die ends the process before another instruction of this goroutine.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
