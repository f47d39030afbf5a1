/** CPU time that this process has used, user and system, in µs. */
export const ownCpu = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
