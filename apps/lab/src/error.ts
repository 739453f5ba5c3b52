// The one error of the lab: something a user can understand, with what to do about it.
import { CommandError } from "../../cli/src/failure.ts";

export type LabErrorCode =
  | "bad_name"
  | "bad_setting"
  | "not_root"
  | "not_running"
  | "already_running"
  | "missing_kernel_feature"
  | "not_built"
  | "start_failed"
  | "no_such_node"
  | "no_such_pod"
  | "no_such_container"
  | "no_hubble"
  | "unknown_kind"
  | "bad_manifest"
  | "timeout";

/** `code` is stable; `hint` says what to do. */
export class LabError extends CommandError {
  override readonly name = "LabError";
  readonly code: LabErrorCode;

  constructor(code: LabErrorCode, message: string, hint?: string, options?: ErrorOptions) {
    super(message, hint, options);
    this.code = code;
  }
}
