// What EC2 answers instead of what was asked for.

export class Ec2Fault extends Error {
  override readonly name = "Ec2Fault";
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}
