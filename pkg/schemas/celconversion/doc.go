// Package celconversion converts objects between the versions of their resource
// by the rules of an APIConversion.
//
//	rules, err := celconversion.Compile(conversion, schema)
//	schemas.ConvertInProcess(crd, rules.Key())
//	api.Converter = rules.Convert
//
// Rules from one version to another are used as they are; between versions that
// have none they lead through the version that is stored. Fields that no rule
// names keep their place, as without any conversion: what the new version does not
// know is pruned by whoever asked. A field that is not there leaves its
// destination alone.
//
// Fields to preserve travel in an annotation, in which whoever may write the
// object can write what he likes. So of it only fields that are to be preserved
// are restored, and only values that their schema allows.
//
// Invariants:
//
//	R1: neither rules nor annotations change the metadata of an object, but for
//	    the annotations themselves.
//	R2: what a rule makes, and what is restored, is valid in its place.
//	R3: the cost of converting an object is bounded, whatever rules and object say,
//	    and what it becomes has not many times its size.
package celconversion
