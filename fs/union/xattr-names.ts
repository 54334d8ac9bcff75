// Extended attributes that mean something to the union itself.

export const CAPABILITY = 'security.capability';
